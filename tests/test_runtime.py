"""What the machine is doing besides us."""

from __future__ import annotations

import subprocess
import sys
import time

import psutil
import pytest

from distillora.runtime import CpuTimes, other_cores, watch_load

_WATCHER = """
import sys, time
from distillora.runtime import start_processes, watch_load
start_processes()
print("ready", flush=True)
sys.stdin.readline()
with watch_load() as load:
    time.sleep(float(sys.argv[1]))
print(load.cores, flush=True)
"""


def test_what_others_use_is_the_machines_time_without_ours_by_the_clock() -> None:
    before = CpuTimes(wall=10.0, machine=500.0, own=40.0)
    assert other_cores(before, CpuTimes(wall=14.0, machine=508.0, own=43.0)) == pytest.approx(1.25)


def test_ticks_that_the_kernel_counts_late_make_no_negative_load() -> None:
    before = CpuTimes(0.0, 100.0, 10.0)
    assert other_cores(before, CpuTimes(1.0, 101.0, 11.01)) == 0.0
    assert other_cores(before, before) == 0.0


@pytest.mark.slow
def test_a_busy_child_is_our_own_load_and_another_process_sees_it_as_others() -> None:
    seconds = 3.0
    watcher = subprocess.Popen(
        [sys.executable, "-c", _WATCHER, str(seconds)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        assert watcher.stdin is not None and watcher.stdout is not None
        assert watcher.stdout.readline() == "ready\n"
        before = psutil.Process(busy.pid).cpu_times().user
        watcher.stdin.write("go\n")
        watcher.stdin.flush()
        with watch_load() as ours:
            time.sleep(seconds)
        used = (psutil.Process(busy.pid).cpu_times().user - before) / seconds
        theirs = float(watcher.stdout.readline())
    finally:
        for process in (busy, watcher):
            process.kill()
            process.communicate()
    assert used > 0.1
    # whatever else runs on the machine, both of them see
    assert theirs - ours.cores == pytest.approx(used, abs=0.15)
