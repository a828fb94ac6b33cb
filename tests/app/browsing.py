"""The app in a process of its own, and a real browser to look at it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

TABS = ("Predict", "Distribution", "Errors", "Compare", "Batch", "Report")
THEMES = ("light", "dark")
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_PATIENCE = 60.0


@dataclass
class Served:
    """Where the app listens; what it wrote, once it has ended; its process."""

    url: str
    process: int
    output: str = ""


@dataclass
class Visit:
    """One visit: the page, and what a careful visitor would notice behind it."""

    page: Page
    errors: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)


@contextmanager
def serve(folder: Path, *words: object) -> Iterator[Served]:
    """Run ``distillora app`` in a folder until the block ends."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "distillora", "app", "--no-browser", "--port", str(port)]
    process = subprocess.Popen(
        [*command, *map(str, words)],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    served = Served(f"http://127.0.0.1:{port}", process.pid)
    try:
        _wait_for(served.url, process)
        yield served
    finally:
        process.terminate()
        served.output += process.communicate(timeout=30)[0]


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Start the system's Chromium without a window; without one, skip (see `.ci/run`)."""
    program = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if program is None:
        why = f"no browser: install Chromium (one of {', '.join(_BROWSERS)})"
        assert "DISTILLORA_NEEDS_BROWSER" not in os.environ, why
        pytest.skip(why)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def visit(
    browser: Browser, url: str, *, theme: str = "light", width: int = 1280, **query: str
) -> Iterator[Visit]:
    """Open the app at a view; nothing outside of this machine can be reached."""
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme=theme,  # type: ignore[arg-type]
    )
    page = context.new_page()
    seen = Visit(page)
    context.route(lambda address: not address.startswith(url), lambda route: route.abort())
    page.on("request", lambda r: seen.outside.append(r.url) if _is_outside(r.url, url) else None)
    page.on("console", lambda m: seen.errors.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: seen.errors.append(str(error)))
    page.goto(f"{url}/?{urlencode(query)}")
    page.get_by_text("Limits", exact=True).wait_for(timeout=30_000)
    settle(page)
    yield seen
    context.close()


def settle(page: Page) -> None:
    """Wait until the app has finished its work and drawn it."""
    page.wait_for_timeout(400)
    page.wait_for_function(
        "!document.querySelector('[data-testid=stApp][data-test-script-state=running]')"
        " && !document.querySelector('[data-stale=true]')",
        timeout=30_000,
    )
    page.wait_for_timeout(400)


def _is_outside(address: str, url: str) -> bool:
    return not address.startswith((url, url.replace("http", "ws"), "data:", "blob:", "about:"))


def _wait_for(url: str, process: subprocess.Popen[str]) -> None:
    began = time.monotonic()
    while True:
        try:
            urllib.request.urlopen(f"{url}/_stcore/health").close()
            return
        except OSError:
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() - began < _PATIENCE, "the app does not start"
            time.sleep(0.05)
