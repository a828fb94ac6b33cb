"""Running the service: one process or several, until a signal ends it."""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
from types import FrameType

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from distillora.service.prometheus import MULTIPROCESS_VARIABLE
from distillora.service.settings import ServiceSettings

APPLICATION = "distillora.service.app:create_app"


class BoundedProtocol(HttpToolsProtocol):
    """HTTP/1.1 with limits on headers and connections, which uvicorn leaves to a proxy.

    A connection is closed if its headers take too long or are too large, and at once if too many
    are open.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Accept a connection, if there is room."""
        super().connection_made(transport)
        self._bounds = ServiceSettings.from_environment().limits
        self._header_size = 0
        self._timer: asyncio.TimerHandle | None = None
        if len(self.connections) > self._bounds.connections:
            transport.abort()
            return
        self._await_headers()

    def data_received(self, data: bytes) -> None:
        """Count what arrives before the headers are complete."""
        if self._timer is not None:
            self._header_size += len(data)
            # a request's first packets may contain a part of the body, too
            if self._header_size > self._bounds.header_bytes + 65_536:
                self.transport.abort()
                return
        elif self.cycle is None or self.cycle.response_complete:
            self._await_headers()
            self._header_size = len(data)
        super().data_received(data)

    def on_headers_complete(self) -> None:
        """Stop the clock, and refuse headers that are too large."""
        self._stop_timer()
        size = sum(len(name) + len(value) for name, value in self.headers) + len(self.url)
        if size > self._bounds.header_bytes:
            self.transport.abort()
            return
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        self._stop_timer()
        super().connection_lost(exc)

    def _await_headers(self) -> None:
        self._stop_timer()
        self._timer = self.loop.call_later(self._bounds.client, self.transport.abort)

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
