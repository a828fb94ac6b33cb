"""How far a file is, how fast it goes, how long it takes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

from distillora.progress import Reporter

_SECONDS_BETWEEN_LINES = 20.0


def describe(done: int, total: int, scored: int, seconds: float) -> str:
    """Say where a file is; rows that an earlier run scored count for nothing but ``done``.

    >>> describe(6144, 10240, 4096, 4.0)
    '6,144 of 10,240 rows, 1,024 rows/s, 0:00:04 left'
    """
    words = f"{done:,} of {total:,} rows"
    if not scored or seconds <= 0:
        return words
    speed = scored / seconds
    left = timedelta(seconds=round((total - done) / speed))
    return f"{words}, {speed:,.0f} rows/s, {left} left"


@contextmanager
def show_progress(reporter: Reporter, total: int) -> Iterator[Callable[[int, int], None]]:
    """Show a bar in a terminal, a line now and then elsewhere.

    Yields:
        What to call with the number of rows done and of those scored by this run.
    """
    began = time.monotonic()
    if not reporter.console.is_terminal:
        yield _say_now_and_then(reporter, total, began)
        return
    with Progress(
        SpinnerColumn(),
        BarColumn(),
        TextColumn("{task.description}"),
        console=reporter.console,
        transient=True,
    ) as bars:
        task = bars.add_task(describe(0, total, 0, 0), total=total)

        def update(done: int, scored: int) -> None:
            words = describe(done, total, scored, time.monotonic() - began)
            bars.update(task, completed=done, description=words)

        yield update


def _say_now_and_then(reporter: Reporter, total: int, began: float) -> Callable[[int, int], None]:
    last = began

    def update(done: int, scored: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _SECONDS_BETWEEN_LINES:
            last = now
            reporter.say(describe(done, total, scored, now - began))

    return update
