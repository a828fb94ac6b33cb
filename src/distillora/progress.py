"""What a person sees meanwhile: bars in a terminal or a notebook, plain lines elsewhere."""

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
    """Keep from the reader what libraries say of each other: PEFT uses an old name."""
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")


class SpeedColumn(ProgressColumn):
    """Units per second of a task."""

    def render(self, task: Task) -> Text:
        """Show e.g. ``243 examples/s``."""
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f} {task.fields['unit']}/s" if speed else "", style="cyan")


class Reporter:
    """Tells about stages, arms and epochs.

    Args:
        console: where to write; see ``shows_bars``.
        quiet: write nothing at all (the other processes of a data-parallel run).
        prefix: begins every line, where several processes write at a time.
    """

    def __init__(
        self, console: Console | None = None, *, quiet: bool = False, prefix: str = ""
    ) -> None:
        self.console = console or Console(stderr=True, quiet=quiet)
        self.prefix = prefix

    @property
    def shows_bars(self) -> bool:
        """Whether bars can be drawn: in a terminal, and in a notebook that has ipywidgets."""
        return self.console.is_terminal or (
            self.console.is_jupyter and find_spec("ipywidgets") is not None
        )

    def say(self, message: RenderableType) -> None:
        """Write one line, or a table."""
        if self.prefix and isinstance(message, str):
            message = f"{self.prefix}{message.strip()}"
        self.console.print(message, highlight=False, soft_wrap=isinstance(message, str))

    def warn(self, message: str) -> None:
        """Write a line about what is likely a mistake, so that it is seen."""
        self.say(f"  [yellow]warning: {message}[/yellow]")

    def stage(self, title: str) -> None:
        """Begin a stage or an arm."""
        self.say(f"[bold]{title}[/bold]")

    @contextmanager
    def track(
        self, title: str, total: int, unit: str = "examples"
    ) -> Iterator[Callable[[int], None]]:
        """Show a bar; call what it yields with the number done so far."""
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
