"""Progress: bars in a terminal or a notebook, plain lines elsewhere."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text


def ignore_known_warnings() -> None:
    """Hide warnings that the user cannot act on: PEFT uses a deprecated name of transformers."""
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")


class SpeedColumn(ProgressColumn):
    """The speed of a task, in units per second."""

    def render(self, task: Task) -> Text:
        """Show e.g. ``243 examples/s``."""
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f} {task.fields['unit']}/s" if speed else "", style="cyan")


class Reporter:
    """Reports the progress of stages, arms and epochs.

    Args:
        console: where to write; by default standard error.
        quiet: write nothing (for all but the first process of a data-parallel run).
        prefix: starts every line, to tell processes apart that write at the same time.
    """

    def __init__(
        self, console: Console | None = None, *, quiet: bool = False, prefix: str = ""
    ) -> None:
        self.console = console or Console(stderr=True, quiet=quiet)
        self.prefix = prefix

    @property
    def shows_bars(self) -> bool:
        """Whether bars can be drawn: in a terminal, or in a notebook with ipywidgets."""
        return self.console.is_terminal or (
            self.console.is_jupyter and find_spec("ipywidgets") is not None
        )

    def say(self, message: RenderableType) -> None:
        """Write one line, or a table."""
        if self.prefix and isinstance(message, str):
            message = f"{self.prefix}{message.strip()}"
        self.console.print(message, highlight=False, soft_wrap=isinstance(message, str))

    def warn(self, message: str) -> None:
        """Write a highlighted line about a likely mistake."""
        self.say(f"  [yellow]warning: {message}[/yellow]")

    def stage(self, title: str) -> None:
        """Write the title of a stage or an arm."""
        self.say(f"[bold]{title}[/bold]")

    @contextmanager
    def track(
        self, title: str, total: int, unit: str = "examples"
    ) -> Iterator[Callable[[int], None]]:
        """Show a bar; call the yielded function with the number done so far."""
        if not self.shows_bars:
            yield lambda done: None
            return
        with Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            SpeedColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
        ) as bars:
            task = bars.add_task(title, total=total, unit=unit)
            yield lambda done: bars.update(task, completed=done)
