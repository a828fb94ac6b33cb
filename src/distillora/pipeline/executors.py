"""Several arms at a time, each in a process of its own.

A small model cannot keep many cores busy: two arms side by side on one core each are made sooner
than one after the other on both.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Iterator, Mapping, Set
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path

import torch
from rich.console import Console

from distillora.errors import RunError
from distillora.pipeline.context import RunContext, open_context
from distillora.pipeline.tasks import Task
from distillora.pipeline.train import train_arm
from distillora.progress import Reporter, ignore_known_warnings
from distillora.recipe import Recipe
from distillora.runtime import start_processes


def train_side_by_side(
    context: RunContext, tasks: Mapping[Task, frozenset[Task]], jobs: int, finished: Set[Task]
) -> None:
    """Make every task but the finished ones, at most ``jobs`` at a time, each after what it needs.

    Raises:
        DistilloraError: what an arm failed with; the others that were being made are given up,
            and go on from their checkpoints when the run is started again.
        RunError: a process was killed.
    """
    done = set(finished)
    waiting = {task: needs for task, needs in tasks.items() if task not in done}
    running: dict[Future[None], Task] = {}
    with _start_workers(context.data.recipe, context.layout.root, jobs) as pool:
        while waiting or running:
            for task in [task for task, needs in waiting.items() if needs <= done]:
                if len(running) >= jobs:
                    break
                del waiting[task]
                running[pool.submit(_make, task)] = task
            ended, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in ended:
                task = running.pop(future)
                try:
                    future.result()
                except BrokenProcessPool as error:
                    raise RunError(
                        f"The process that made {task.arm}, seed {task.seed}, or one beside it was "
                        "killed, perhaps for want of memory. Run the same command again, with "
                        "fewer at a time (`jobs`): it goes on from there."
                    ) from error
                done.add(task)


@contextmanager
def _start_workers(recipe: Recipe, root: Path, jobs: int) -> Iterator[ProcessPoolExecutor]:
    pool = ProcessPoolExecutor(
        jobs,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_begin,
        initargs=(recipe, root, jobs),
    )
    try:
        yield pool
        pool.shutdown()
    except BaseException:
        workers = list((pool._processes or {}).values())  # there is no public way to stop one
        pool.shutdown(wait=False, cancel_futures=True)
        for worker in workers:
            worker.terminate()
        raise


_context: RunContext | None = None


def _begin(recipe: Recipe, root: Path, jobs: int) -> None:
    """Set a worker up: its share of the cores, and what every task of it needs."""
    global _context
    threading.Thread(target=_end_with_parent, daemon=True).start()
    ignore_known_warnings()
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // jobs))
    start_processes()
    _context = open_context(recipe, root, Reporter(_plain_console()), jobs)


def _end_with_parent() -> None:
    """End this process when the one that started it ends, in whichever way."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _make(task: Task) -> None:
    assert _context is not None
    reporter = Reporter(_plain_console(), prefix=f"{task.arm}, seed {task.seed}: ")
    train_arm(_context.at(task.seed, reporter), task.arm)


def _plain_console() -> Console:
    return Console(stderr=True, force_terminal=False)  # bars of two processes would overlap
