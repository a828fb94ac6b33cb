"""The HTTP service: throughput beside the in-process classifier, latency, and overload.

Needs `wrk <https://github.com/wg/wrk>`_, which loads a server from a fraction of a core. The
service, ``wrk`` and this script share the machine, so the service is at a disadvantage against the
classifier that has it alone.

    python benchmarks/serving.py --data path/to/goemotions
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import distillora as dl
from distillora.data.sources import read_dataset
from distillora.recipe import Data
from distillora.runtime import describe_environment

_SCRIPT = r"""
local bodies = {}
for line in io.lines(os.getenv("BODIES")) do bodies[#bodies + 1] = line end
local headers = {["Content-Type"] = "application/json"}
local at = 0
local threads = {}
function setup(thread) table.insert(threads, thread) end
function init(args) ok, busy, other = 0, 0, 0 end
function request()
  at = at % #bodies + 1
  return wrk.format("POST", "/predict", headers, bodies[at])
end
function response(status)
  if status == 200 then ok = ok + 1
  elseif status == 429 then busy = busy + 1
  else other = other + 1 end
end
function done(summary, latency)
  local ok, busy, other = 0, 0, 0
  for _, thread in ipairs(threads) do
    ok = ok + thread:get("ok")
    busy = busy + thread:get("busy")
    other = other + thread:get("other")
  end
  io.write(string.format(
    'RESULT {"seconds":%f,"ok":%d,"busy":%d,"other":%d,' ..
    '"socket_errors":%d,"p50_ms":%f,"p99_ms":%f}\n',
    summary.duration / 1e6, ok, busy, other, summary.errors.connect + summary.errors.read
      + summary.errors.write + summary.errors.timeout,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000))
end
"""


@contextmanager
def serving(*words: object) -> Iterator[str]:
    """Run the service; yields its URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "distillora", "serve", "--port", str(port), "--no-log"]
    process = subprocess.Popen([*command, *map(str, words)], stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"{url}/health", timeout=5)
                break
            except OSError:
                time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait()


def load(url: str, bodies: list[object], callers: int, seconds: float) -> dict[str, Any]:
    """Send bodies from this many callers at once, each waiting for its answer."""
    with tempfile.TemporaryDirectory() as folder:
        script, lines = Path(folder) / "load.lua", Path(folder) / "bodies.txt"
        script.write_text(_SCRIPT)
        lines.write_text("".join(f"{json.dumps(body)}\n" for body in bodies))
        words = ["-t1", f"-c{callers}", f"-d{seconds:.0f}s", "--timeout", "30s", "-s", str(script)]
        done = subprocess.run(
            ["wrk", *words, url],
            env={"BODIES": str(lines)},
            capture_output=True,
            text=True,
            check=True,
        )
    found: dict[str, Any] = json.loads(re.search(r"RESULT (.*)", done.stdout)[1])  # type: ignore[index]
    return found


def in_process(texts: list[str], seconds: float) -> float:
    """Return texts per second of the classifier alone, over the same texts."""
    classifier = dl.load()
    classifier.predict(texts[:256])
    done, begun = 0, time.perf_counter()
    while time.perf_counter() - begun < seconds:
        classifier.predict(texts)
        done += len(texts)
    return done / (time.perf_counter() - begun)


def measure(texts: list[str], seconds: float, rounds: int) -> dict[str, Any]:
    """Measure everything, in interleaved rounds; medians."""
    single = [{"inputs": text, "truncate": True} for text in texts]
    batches = [
        {"inputs": [[text] for text in texts[start : start + 32]], "truncate": True}
        for start in range(0, len(texts) - 31, 32)
    ]
    alone, callers, batched, one, overload = [], [], [], [], []
    for _ in range(rounds):
        alone.append(in_process(texts, seconds))
        with serving() as url:
            load(url, single, 32, 2)
            one.append(load(url, single, 1, seconds))
            callers.append(load(url, single, 32, seconds))
            batched.append(load(url, batches, 4, seconds))
            overload.append(load(url, single, 1024, seconds))
    rate = median(alone)

    def middle(found: list[dict[str, Any]]) -> dict[str, Any]:
        return {key: round(median(item[key] for item in found), 3) for key in found[0]}

    return {
        "in_process_texts_per_second": round(rate, 1),
        "one_caller": middle(one),
        "callers_32": middle(callers),
        "callers_32_share": round(median(f["ok"] / f["seconds"] for f in callers) / rate, 3),
        "batches_of_32": middle(batched),
        "batches_of_32_share": round(
            median(32 * f["ok"] / f["seconds"] for f in batched) / rate, 3
        ),
        "callers_1024": middle(overload),
    }


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, help="GoEmotions; by default the bundled sample")
    parser.add_argument("--texts", type=int, default=2048, help="how many of its test texts")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3, help="of all measurements")
    parser.add_argument("--out", type=Path, help="where to write the result as JSON")
    given = parser.parse_args()
    if shutil.which("wrk") is None:
        parser.error("wrk is missing; on Debian: apt install wrk")
    data = Data(source="folder", path=given.data) if given.data else Data(source="sample")
    texts = [*read_dataset(data).splits["test"].texts][: given.texts]
    environment = describe_environment("int8")
    found = {**measure(texts, given.seconds, given.rounds), "environment": environment}
    print(json.dumps(found, indent=1))
    if given.out:
        given.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
