"""Executors train the tasks of a run: one after the other, or several in worker processes.

A small model cannot keep many cores busy: two arms side by side, on one core each, are trained
sooner than one after the other on both cores.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Iterator, Set
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from rich.console import Console

from distillora.errors import RunError
from distillora.pipeline.context import RunContext, RunPlan, Task, open_context
from distillora.pipeline.train import train_arm
from distillora.progress import Reporter, ignore_known_warnings
from distillora.runtime import start_processes


class Executor(Protocol):
    """Trains the unfinished tasks of a run, each after those that it needs."""

    def train(self, context: RunContext, finished: Set[Task]) -> None:
        """Train all of ``context.plan.to_train`` but the finished ones.

        Raises:
            DistilloraError: an arm failed. Unfinished arms continue from their checkpoints when the
                run is started again.
        """


def choose_executor(jobs: int) -> Executor:
    """Return the executor that trains ``jobs`` arms at a time."""
    return InProcess() if jobs == 1 else Processes(jobs)


class InProcess:
    """One arm after the other, in this process."""

    def train(self, context: RunContext, finished: Set[Task]) -> None:
        """See ``Executor``."""
        for task in context.plan.to_train:
            if task not in finished:
                context.reporter.stage(str(task))
                train_arm(context.at(task.seed), task.arm)


@dataclass(frozen=True)
class Processes:
    """At most ``jobs`` arms at a time, each in its own process."""

    jobs: int

    def train(self, context: RunContext, finished: Set[Task]) -> None:
        """See ``Executor``; a process that is killed raises a RunError."""
        done, tasks = set(finished), context.plan.tasks
        waiting = [task for task in context.plan.to_train if task not in done]
        running: dict[Future[None], Task] = {}
        with _start_workers(context.plan, context.layout.root, self.jobs) as pool:
            while waiting or running:
                ready = [task for task in waiting if done.issuperset(tasks[task].parents)]
                for task in ready[: self.jobs - len(running)]:
                    waiting.remove(task)
                    running[pool.submit(_train, task)] = task
                ended, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in ended:
                    task = running.pop(future)
                    _raise_failure(future, task)
                    done.add(task)


def _raise_failure(future: Future[None], task: Task) -> None:
    try:
        future.result()
    except BrokenProcessPool as error:
        raise RunError(
            f"The process that trained {task}, or one beside it, was killed, perhaps for lack of "
            "memory. Run the same command again with fewer `jobs`: it goes on from there."
        ) from error


@contextmanager
def _start_workers(plan: RunPlan, root: Path, jobs: int) -> Iterator[ProcessPoolExecutor]:
    others = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(
        jobs,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_begin,
        initargs=(plan, root, jobs),
    )
    try:
        yield pool
        pool.shutdown()
    except BaseException:
        workers = set(multiprocessing.active_children()) - others
        pool.shutdown(wait=False, cancel_futures=True)
        for worker in workers:
            worker.terminate()  # a pool itself can only wait for them (until Python 3.14)
        raise


_context: RunContext | None = None


def _begin(plan: RunPlan, root: Path, jobs: int) -> None:
    """Set up a worker: its share of the cores, and the context of its tasks."""
    global _context
    threading.Thread(target=_end_with_parent, daemon=True).start()
    ignore_known_warnings()
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // jobs))
    start_processes()
    _context = open_context(plan, root, Reporter(_plain_console()), jobs)


def _end_with_parent() -> None:
    """End this process when its parent ends, however that happens."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _train(task: Task) -> None:
    assert _context is not None
    reporter = Reporter(_plain_console(), prefix=f"{task.arm}, seed {task.seed}: ")
    train_arm(_context.at(task.seed, reporter), task.arm)


def _plain_console() -> Console:
    return Console(stderr=True, force_terminal=False)  # bars of two processes would overlap
