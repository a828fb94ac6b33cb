"""The HTTP service under malformed requests and sudden deaths: nothing unintended, nothing lost.

``fuzz`` sends random bodies and texts, and looks for answers of 500 and above, and for memory that
grows. ``kill`` kills the service again and again while clients that retry classify a list of texts,
and compares their answers with those of an undisturbed service.

    python benchmarks/service_reliability.py fuzz --requests 200000
    python benchmarks/service_reliability.py kill --times 100
"""

from __future__ import annotations

import argparse
import http.client
import json
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psutil

_ROUTES = ("/predict", "/", "/models/starter", "/classify", "/v1/moderations")
_ALPHABETS = (
    "abcdefghijklmnopqrstuvwxyz ",
    "".join(map(chr, range(1, 128))),
    "\u00e9\u0644\u0639\u4f60\u597d\U0001f600\u200d\u202e\u0301\ufeff",
)
_PIECES = ("idiot ", "thanks ", "\x00", "[UNK]", "[SEP] ", "\ud83d\ude00", "a" * 300, "\u0301" * 50)


@contextmanager
def started(port: int, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run the service and wait until it is healthy."""
    process = start(port, *words)
    try:
        wait_until_healthy(port)
        yield process
    finally:
        process.kill()
        process.wait()


def start(port: int, *words: str) -> subprocess.Popen[bytes]:
    """Start the service."""
    command = [sys.executable, "-m", "distillora", "serve", "--port", str(port), "--no-log"]
    return subprocess.Popen([*command, *words], stderr=subprocess.DEVNULL)


def wait_until_healthy(port: int) -> None:
    """Wait until the service answers ``/health`` with 200."""
    while True:
        try:
            if call(port, "GET", "/health")[0] == 200:
                return
        except OSError:
            pass
        time.sleep(0.05)


def call(port: int, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    """Send one request on a connection of its own; return status and body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def free_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Fuzzer:
    """Draws request bodies: mostly valid, odd, broken or huge ones among them."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def text(self) -> str:
        """Draw a text."""
        draw = self._random
        if draw.random() < 0.2:
            return "".join(draw.choices(_PIECES, k=draw.randrange(6)))
        alphabet = draw.choice(_ALPHABETS)
        return "".join(draw.choices(alphabet, k=draw.choice((0, 1, 10, 40, 400))))

    def value(self, depth: int = 0) -> Any:
        """Draw any JSON value."""
        draw = self._random
        kind = draw.randrange(8 if depth < 3 else 6)
        if kind == 6:
            return [self.value(depth + 1) for _ in range(draw.randrange(4))]
        if kind == 7:
            return {self.text(): self.value(depth + 1) for _ in range(draw.randrange(4))}
        simple = (None, True, draw.randrange(-5, 5), draw.random() * 1e308, self.text(), "right")
        return simple[kind]

    def body(self) -> bytes:
        """Draw a request body."""
        draw = self._random
        text = self.text
        bodies = (
            lambda: {"inputs": text(), "truncate": True},
            lambda: {"inputs": [[text()] for _ in range(draw.randrange(1, 6))], "truncate": True},
            lambda: {"inputs": [text()], "raw_scores": draw.random() < 0.5},
            lambda: {"inputs": text(), "parameters": {"top_k": draw.randrange(-1, 40)}},
            lambda: {"input": [text() for _ in range(draw.randrange(4))]},
            lambda: {"inputs": self.value(), "input": self.value(), "model": self.value()},
            lambda: self.value(),
        )
        content = json.dumps(draw.choice(bodies)(), ensure_ascii=draw.random() < 0.5)
        data = bytearray(content.encode("utf-8", "surrogatepass"))
        if draw.random() < 0.1 and data:  # damage it
            for _ in range(draw.randrange(1, 4)):
                data[draw.randrange(len(data))] = draw.randrange(256)
        if draw.random() < 0.01:
            return b"[" * draw.randrange(1, 100_000)
        return bytes(data)


def fuzz(requests: int, callers: int, seed: int) -> dict[str, Any]:
    """Send random requests; return how they were answered and how memory grew."""
    port = free_port()
    statuses: Counter[int] = Counter()
    unintended: list[str] = []
    lock = threading.Lock()

    def work(number: int, share: int) -> None:
        fuzzer, draw = Fuzzer(seed + number), random.Random(seed - number)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        for _ in range(share):
            body = fuzzer.body()
            path = draw.choice(_ROUTES)
            try:
                connection.request("POST", path, body, {"Content-Type": "application/json"})
                answer = connection.getresponse()
                status, content = answer.status, answer.read()
                json.loads(content)
            except (OSError, http.client.HTTPException, ValueError) as error:
                connection.close()
                with lock:
                    unintended.append(f"{path} {type(error).__name__} {body[:200]!r}")
                continue
            with lock:
                statuses[status] += 1
                if status >= 500:
                    unintended.append(f"{path} {status} {body[:200]!r}")

    with started(port) as process:
        memory = psutil.Process(process.pid).memory_info
        spread(work, callers, min(requests // 10, 20_000))  # until every buffer has its size
        before = memory().rss
        begun = time.perf_counter()
        spread(work, callers, requests)
        seconds = time.perf_counter() - begun
        after = memory().rss
    return {
        "requests": sum(statuses.values()),
        "statuses": dict(sorted(statuses.items())),
        "unintended": len(unintended),
        "first_unintended": unintended[:5],
        "megabytes_before": round(before / 1e6),
        "megabytes_after": round(after / 1e6),
        "growth": round(after / before - 1, 4),
        "seconds": round(seconds),
    }


def spread(work: Any, callers: int, requests: int) -> None:
    """Divide requests among threads."""
    threads = [
        threading.Thread(target=work, args=(number, requests // callers))
        for number in range(callers)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def kill(times: int, seed: int) -> dict[str, Any]:
    """Kill the service this often while clients that retry classify texts.

    Every text is sent alone, by one caller, so that its scores do not depend on a batch.
    """
    port, draw, fuzzer = free_port(), random.Random(seed), Fuzzer(seed)
    retries = 0
    done = threading.Event()
    texts: list[str] = []
    answers: list[bytes] = []

    def classify() -> None:
        nonlocal retries
        while not done.is_set():
            text = fuzzer.text()
            body = json.dumps({"inputs": text, "truncate": True}).encode()
            while True:
                try:
                    status, content = call(port, "POST", "/predict", body)
                    if status == 200:
                        break
                except (OSError, http.client.HTTPException):
                    pass
                retries += 1
                time.sleep(0.02)
            texts.append(text)
            answers.append(content)

    process = start(port)
    wait_until_healthy(port)
    client = threading.Thread(target=classify)
    client.start()
    for _ in range(times):
        time.sleep(draw.random())
        process.send_signal(signal.SIGKILL)
        process.wait()
        process = start(port)
        wait_until_healthy(port)
    done.set()
    client.join()
    wrong = sum(
        call(port, "POST", "/predict", json.dumps({"inputs": t, "truncate": True}).encode())[1] != a
        for t, a in zip(texts, answers, strict=True)
    )
    process.kill()
    process.wait()
    return {"kills": times, "answers": len(answers), "retries": retries, "wrong": wrong}


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", choices=("fuzz", "kill"))
    parser.add_argument("--requests", type=int, default=200_000, help="of fuzz")
    parser.add_argument("--callers", type=int, default=8, help="of fuzz")
    parser.add_argument("--times", type=int, default=100, help="of kill")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    found = (
        fuzz(given.requests, given.callers, given.seed)
        if given.what == "fuzz"
        else kill(given.times, given.seed)
    )
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
