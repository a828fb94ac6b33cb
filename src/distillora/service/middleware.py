"""What every request passes before it is served: limits, keys, a deadline, and the log."""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from distillora.service.errors import ServiceError
from distillora.service.prometheus import METRICS
from distillora.service.settings import ServiceSettings

LOG = logging.getLogger("distillora.service")


class _JsonLines(logging.Formatter):
    """One JSON object a line, for what the service and its server say."""

    def format(self, record: logging.LogRecord) -> str:
        entry = getattr(record, "entry", None) or {"message": record.getMessage()}
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        return json.dumps({"time": now, "level": record.levelname.lower(), **entry})


def log_to_stderr() -> None:
    """Write the log of the service and of its server to standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(_JsonLines())
    for log in (LOG, logging.getLogger("uvicorn")):
        log.handlers = [handler]
        log.setLevel(logging.INFO)
        log.propagate = False


_OPEN = ("/health", "/docs", "/openapi.json", "/static-offline-docs/")
"""Paths that need no key: a load balancer and a browser have none, and they reveal nothing."""


class Gate:
    """Reads the body within its limits, asks for the key, keeps the deadline, writes the log.

    The log has a line of JSON for each request: when, its id, method, path, status, bytes and
    milliseconds. It never contains a text.
    """

    def __init__(self, app: ASGIApp, settings: ServiceSettings) -> None:
        self._app = app
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = _Request(scope, self._settings.log, send)
        try:
            self._check_key(scope, request.headers)
            body = await self._read_body(receive, request.headers)
            request.received = len(body)
            await self._serve(scope, body, receive, request)
        except ServiceError as error:
            await error_response(error)(scope, receive, request.send)
        finally:
            request.finish()

    async def _serve(self, scope: Scope, body: bytes, receive: Receive, request: _Request) -> None:
        try:
            async with asyncio.timeout(self._settings.limits.deadline):
                await self._app(scope, _replay(body, receive), request.send)
        except TimeoutError:
            if request.status:  # the answer has begun, and cannot be changed
                raise
            raise ServiceError(
                503, "Overloaded", "The request was not answered in time.", {"Retry-After": "1"}
            ) from None

    def _check_key(self, scope: Scope, headers: Headers) -> None:
        if not self._settings.key_hashes or _is_open(scope["path"]):
            return
        given = headers.get("x-api-key", "")
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            given = token.strip()
        if not self._settings.accepts(given):
            raise ServiceError(
                401,
                "Unauthorized",
                "A valid API key is needed: Authorization: Bearer KEY.",
                {"WWW-Authenticate": "Bearer"},
            )

    async def _read_body(self, receive: Receive, headers: Headers) -> bytes:
        limit = self._settings.limits.body_bytes
        too_large = ServiceError(
            413, "Validation", f"The body is larger than {limit} bytes.", {"Connection": "close"}
        )
        length = headers.get("content-length", "")
        if length.isdigit() and int(length) > limit:
            raise too_large
        chunks, size = [], 0
        try:
            async with asyncio.timeout(self._settings.limits.client):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return b""
                    chunks.append(message.get("body", b""))
                    size += len(chunks[-1])
                    if size > limit:
                        raise too_large
                    if not message.get("more_body", False):
                        break
        except TimeoutError:
            raise ServiceError(
                408, "Validation", "The body did not arrive in time.", {"Connection": "close"}
            ) from None
        return b"".join(chunks)


class _Request:
    """One request on its way through the gate."""

    def __init__(self, scope: Scope, log: bool, send: Send) -> None:
        self.headers = Headers(scope=scope)
        self.status = 0
        self.received = 0
        self._scope = scope
        self._log = log
        self._send = send
        self._begun = time.perf_counter()
        self._id = _request_id(self.headers)

    async def send(self, message: Message) -> None:
        """Pass a part of the answer on, with the request's id."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            MutableHeaders(scope=message).setdefault("x-request-id", self._id)
        await self._send(message)

    def finish(self) -> None:
        """Write the line of the log."""
        if not self._log:
            return
        entry: dict[str, Any] = {
            "id": self._id,
            "method": self._scope["method"],
            "path": self._scope["path"],
            "status": self.status,
            "bytes": self.received,
            "ms": round(1000 * (time.perf_counter() - self._begun), 2),
        }
        LOG.info("", extra={"entry": entry | self._scope.get("state", {}).get("log", {})})


def _is_open(path: str) -> bool:
    return any(path == one or (one.endswith("/") and path.startswith(one)) for one in _OPEN)


def _request_id(headers: Mapping[str, str]) -> str:
    given = headers.get("x-request-id", "")
    usable = 0 < len(given) <= 64 and all(c.isalnum() or c in "-_." for c in given)
    return given if usable and given.isascii() else secrets.token_hex(8)


def _replay(body: bytes, receive: Receive) -> Receive:
    """Return a ``receive`` that hands out a body that was read already."""
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


def error_response(error: ServiceError) -> JSONResponse:
    """Return the answer for an error, and count it."""
    METRICS.failures.labels(error.kind.lower()).inc()
    body = {"error": error.message, "error_type": error.kind}
    return JSONResponse(body, error.status, error.headers)
