"""Processes that start at once: forked from one that has imported PyTorch and the rest already.

What they are given must be importable, and they import test modules themselves.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(
    ["distillora.cli", "distillora.pipeline", "distillora.report", "peft", "tensorboard"]
)


def start(output: Path, target: Callable[..., object], *words: Any) -> ForkServerProcess:
    """Call a function in a new process; what the process prints is appended to a file."""
    process = _CONTEXT.Process(target=_run, args=(output, target, words))
    process.start()
    return process


def start_cli(output: Path, *words: object) -> ForkServerProcess:
    """Run the command line in a new process."""
    return start(output, _run_cli, *map(str, words))


def finish(process: ForkServerProcess, output: Path) -> None:
    """Wait for a process that is to end well."""
    process.join(timeout=300)
    assert process.exitcode == 0, output.read_text()


def _run(output: Path, target: Callable[..., object], words: tuple[Any, ...]) -> None:
    handle = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    target(*words)


def _run_cli(*words: str) -> None:
    from distillora.cli import main

    sys.argv = ["distillora", *words]
    main()
