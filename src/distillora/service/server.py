"""Running the service: one process or several, until a signal ends it."""

from __future__ import annotations

import asyncio
import functools
import os
import signal
import tempfile
from types import FrameType

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from distillora.service.prometheus import MULTIPROCESS_VARIABLE
from distillora.service.settings import Limits, ServiceSettings

APPLICATION = "distillora.service.app:create_app"
_READ_AT_ONCE = 1_048_576
"""More than the server reads from a socket at once, which may be the end of another request."""


@functools.cache
def _limits() -> Limits:
    return ServiceSettings.from_environment().limits


class BoundedProtocol(HttpToolsProtocol):
    """HTTP/1.1 with limits on headers and connections, which uvicorn leaves to a proxy.

    A connection is closed if the headers of a request take too long or are too large, and at once
    if too many connections are open. Trailers count as headers and are dropped: RFC 9110, section
    6.5.1, forbids to take them for headers, and a proxy may not have looked at them.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Accept a connection, if there is room."""
        super().connection_made(transport)
        self._limits = _limits()
        self._timer: asyncio.TimerHandle | None = None
        self._header_bytes = 0
        self._received = 0
        if len(self.connections) > self._limits.connections:
            transport.abort()
            return
        self._await_headers()

    def data_received(self, data: bytes) -> None:
        """Close the connection if it sends far more than its requests may have.

        Headers that are complete are counted as they are parsed. This bounds a header that never
        ends, and chunks and trailers that say little in many bytes.
        """
        self._received += len(data)
        super().data_received(data)
        limits = self._limits
        in_headers = self._timer is not None
        most = limits.header_bytes + (0 if in_headers else 8 * limits.body_bytes) + _READ_AT_ONCE
        if self._received > most:
            self.transport.abort()

    def on_message_begin(self) -> None:
        """Start the clock of a request, pipelined ones included."""
        super().on_message_begin()
        self._header_bytes = 0
        self._received = 0
        self._await_headers()

    def on_url(self, url: bytes) -> None:
        """Count the request's target as a header."""
        if self._has_room(len(url)):
            super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a header, and drop a trailer."""
        if self._has_room(len(name) + len(value)) and self._timer is not None:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Stop the clock, and serve the request unless its headers were too large."""
        self._stop_timer()
        if self._has_room(0):
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Pass on a part of the body, unless the request was refused."""
        if not self.transport.is_closing():
            super().on_body(body)

    def on_message_complete(self) -> None:
        """End the request, unless it was refused."""
        if not self.transport.is_closing():
            super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        self._stop_timer()
        super().connection_lost(exc)

    def _has_room(self, size: int) -> bool:
        self._header_bytes += size
        if self._header_bytes <= self._limits.header_bytes:
            return True
        self.transport.abort()
        return False

    def _await_headers(self) -> None:
        self._stop_timer()
        self._timer = self.loop.call_later(self._limits.client, self.transport.abort)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def run(settings: ServiceSettings, host: str, port: int, workers: int) -> None:
    """Serve until SIGTERM or Ctrl+C, then answer what was admitted.

    Args:
        settings: what is served and what is allowed.
        host, port: where to listen.
        workers: processes; one that dies is replaced.
    """
    settings.to_environment()
    with tempfile.TemporaryDirectory(prefix="distillora-metrics-") as folder:
        if workers > 1:
            os.environ[MULTIPROCESS_VARIABLE] = folder
        # uvicorn raises a signal that it caught once more when it is done; by then all is in order
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _ignore)
        uvicorn.run(
            APPLICATION,
            factory=True,
            host=host,
            port=port,
            workers=workers,
            http=BoundedProtocol,
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=int(settings.limits.keep_alive),
            timeout_graceful_shutdown=int(settings.limits.shutdown),
        )


def _ignore(number: int, frame: FrameType | None) -> None:
    pass
