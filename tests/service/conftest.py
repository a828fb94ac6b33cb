"""The service: in this process, and as a command in one of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from distillora.inference.classifier import starter_folder
from distillora.service.app import create_app
from distillora.service.settings import Limits, ServiceSettings

_PATIENCE = 60.0


def make_settings(**changes: object) -> ServiceSettings:
    values = {"models": {"starter": starter_folder()}, "threads": 1, "log": False}
    return ServiceSettings.model_validate({**values, **changes})


@contextmanager
def in_process(**changes: object) -> Iterator[TestClient]:
    with TestClient(create_app(make_settings(**changes)), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    with in_process(limits=Limits(body_bytes=50_000, characters=10_000)) as client:
        yield client


@dataclass
class Server:
    """A running ``distillora serve``; ``output`` is complete once it has ended."""

    url: str
    port: int
    process: subprocess.Popen[bytes]
    log: Path
    output: str = ""

    def end(self) -> int:
        """Wait until the process has ended, and return its exit status."""
        self.process.wait(_PATIENCE)
        self.output = self.log.read_text("utf-8")
        return self.process.returncode


@contextmanager
def running(*words: object, **environment: str) -> Iterator[Server]:
    """Run ``distillora serve`` until the block ends."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # not a pipe: a full one would stop the service
    with tempfile.NamedTemporaryFile(suffix=".log") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "distillora", "serve", "--port", str(port), *map(str, words)],
            env={**os.environ, **environment},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        server = Server(f"http://127.0.0.1:{port}", port, process, Path(log.name))
        try:
            wait_until(lambda: process.poll() is not None or is_healthy(server.url))
            assert process.poll() is None, server.log.read_text("utf-8")
            yield server
        finally:
            if process.poll() is None:
                process.terminate()
                server.end()


def is_healthy(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


def wait_until(true: Callable[[], bool], patience: float = _PATIENCE) -> None:
    end = time.monotonic() + patience
    while not true():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    copy = tmp_path_factory.mktemp("bundles") / "second"
    copy.symlink_to(starter_folder())
    with running("--model", f"first={starter_folder()}", "--model", copy) as server:
        yield server
