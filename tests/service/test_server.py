"""The command ``serve``: its options, its signals, its log, and clients that exist already."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import requests
from huggingface_hub import InferenceClient
from openai import AuthenticationError, OpenAI

from distillora.inference.classifier import TextClassifier, starter_folder
from service.conftest import Server, is_healthy, running, wait_until

pytestmark = pytest.mark.slow

KEY = "a-key-of-sixteen-characters"


def predict(url: str, text: str = "thanks a lot!", **options: object) -> requests.Response:
    return requests.post(f"{url}/predict", json={"inputs": text}, timeout=30, **options)


def test_the_client_of_hugging_face_gets_every_label(server: Server) -> None:
    expected = TextClassifier.load().predict("thanks a lot!")[0].scores
    for url in (server.url, f"{server.url}/models/second"):
        found = InferenceClient(url).text_classification("thanks a lot!")
        assert {item.label: item.score for item in found} == pytest.approx(expected, abs=1e-6)
    top = InferenceClient(server.url).text_classification("thanks a lot!", top_k=2)
    assert len(top) == 2


def test_the_client_of_openai_reads_moderations() -> None:
    with running(DISTILLORA_API_KEYS=KEY) as server:
        client = OpenAI(base_url=f"{server.url}/v1", api_key=KEY, max_retries=0)
        hostile, kind = client.moderations.create(input=["I hate you", "thanks a lot!"]).results
        assert (hostile.flagged, kind.flagged) == (True, False)
        assert hostile.category_scores.harassment > 0.5 > kind.category_scores.harassment
        with pytest.raises(AuthenticationError):
            OpenAI(base_url=f"{server.url}/v1", api_key="wrong" * 4).moderations.create(input="a")


def test_curl_gets_an_answer(server: Server) -> None:
    command = ["curl", "-s", f"{server.url}/predict", "-H", "Content-Type: application/json"]
    done = subprocess.run(
        [*command, "-d", '{"inputs": "thanks a lot!"}'], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout)[0]["label"] == "gratitude"


def test_the_openapi_document_is_served(server: Server) -> None:
    document = requests.get(f"{server.url}/openapi.json", timeout=30).json()
    assert {"/predict", "/", "/classify", "/v1/moderations", "/models/{name}"} <= {
        *document["paths"]
    }
    for name, path in document["paths"].items():
        for operation in path.values():
            assert operation["description"], name


def test_a_second_model_answers_by_its_name(server: Server) -> None:
    body = {"model": "second", "input": "thanks a lot!"}
    answer = requests.post(f"{server.url}/classify", json=body, timeout=30).json()
    assert answer["model"] == "second"


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_admitted_requests_finish_and_ends_with_zero(end: signal.Signals) -> None:
    with running("--threads", 1) as server:
        body = {"inputs": [["some words to read " * 6]] * 32}
        answers: list[int] = []

        def call() -> None:
            answers.append(
                requests.post(f"{server.url}/predict", json=body, timeout=60).status_code
            )

        callers = [threading.Thread(target=call) for _ in range(8)]
        for caller in callers:
            caller.start()
        queued = f"{server.url}/metrics"
        wait_until(lambda: "te_queue_size 256.0" in requests.get(queued, timeout=30).text)
        server.process.send_signal(end)
        for caller in callers:
            caller.join()
        assert answers == [200] * 8
        assert server.end() == 0
        with pytest.raises(OSError):
            socket.create_connection(("127.0.0.1", server.port), timeout=5)


def test_the_log_has_a_line_for_each_request_and_never_a_text() -> None:
    with running() as server:
        predict(server.url, "a secret comment", headers={"x-request-id": "id-1"})
        server.process.terminate()
        assert server.end() == 0
    assert "secret" not in server.output
    lines = [json.loads(line) for line in server.output.splitlines() if line.startswith("{")]
    (entry,) = [line for line in lines if line.get("id") == "id-1"]
    assert entry["path"] == "/predict" and entry["status"] == 200 and entry["inputs"] == 1
    assert entry["tokens"] == 5 and entry["ms"] > 0


def send(port: int, *parts: bytes, pause: float = 0.0) -> bytes:
    """Send parts of a request one after the other, and return all that comes back."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        received = b""
        try:
            for part in parts:
                connection.sendall(part)
                time.sleep(pause)
            while chunk := connection.recv(65536):
                received += chunk
        except (ConnectionResetError, BrokenPipeError):
            pass
    return received


def test_slow_clients_and_large_headers_are_cut_off() -> None:
    limits = ("--client-timeout", 1, "--max-header-bytes", 4000, "--keep-alive", 1)
    with running(*limits) as server:
        begin = b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
        started = time.monotonic()
        assert send(server.port, begin, b"X-A: b\r\n" * 3, pause=0.5) == b""
        assert send(server.port, begin + b"Content-Length: 50\r\n\r\n{").startswith(b"HTTP/1.1 408")
        assert time.monotonic() - started < 10
        assert send(server.port, begin + b"X-Long: " + b"a" * 5000 + b"\r\n\r\n") == b""
        began = time.monotonic()
        assert send(server.port, begin + b"X-Long: ", *[b"a" * 200_000] * 12) == b""
        assert time.monotonic() - began < 0.9  # before the time for headers is over
        half = b"GET /health HTTP/1.1\r\nHost: a\r\n\r\nGET /health HTTP/1.1\r\nX-A: "
        began = time.monotonic()
        assert send(server.port, half).count(b"HTTP/1.1 200") == 1
        assert 0.9 < time.monotonic() - began < 5
        body = b'{"inputs": "a"}'
        whole = begin + b"Content-Length: %d\r\n\r\n" % len(body) + body
        # kept alive for a second, then closed
        assert send(server.port, whole).startswith(b"HTTP/1.1 200")
        assert send(server.port, b"nonsense\r\n\r\n").startswith(b"HTTP/1.1 400")
        assert is_healthy(server.url)


def test_a_large_body_is_read_in_whichever_pieces_it_comes(server: Server) -> None:
    body = {"inputs": [["word " * 1200]] * 32, "truncate": True}
    for _ in range(5):
        answer = requests.post(f"{server.url}/predict", json=body, timeout=60)
        assert answer.status_code == 200 and len(answer.json()) == 32
    parts = iter([json.dumps(body).encode()])  # sent in chunks
    headers = {"content-type": "application/json"}
    assert requests.post(f"{server.url}/predict", data=parts, headers=headers, timeout=60).ok


def test_trailers_are_neither_headers_nor_without_bound() -> None:
    with running("--max-body-bytes", 1000, DISTILLORA_API_KEYS=KEY) as server:
        chunked = (
            b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
            b"Connection: close\r\nTransfer-Encoding: chunked\r\n"
        )
        body = b'f\r\n{"inputs": "a"}\r\n0\r\n'
        key = b"X-API-Key: " + KEY.encode() + b"\r\n"
        assert send(server.port, chunked + key + b"\r\n" + body + b"\r\n").startswith(
            b"HTTP/1.1 200"
        )
        assert send(server.port, chunked + b"\r\n" + body + key + b"\r\n").startswith(
            b"HTTP/1.1 401"
        )
        memory = psutil.Process(server.process.pid).memory_info
        before = memory().rss
        send(
            server.port, chunked + key + b"\r\n" + body, *[b"X-A: " + b"a" * 60_000 + b"\r\n"] * 500
        )
        assert memory().rss - before < 10_000_000
        assert predict(server.url, headers={"x-api-key": KEY}).status_code == 200


def test_connections_beyond_the_limit_are_closed() -> None:
    with running("--max-connections", 4) as server:
        open_ones = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(4)]
        time.sleep(0.3)
        with pytest.raises((OSError, requests.ConnectionError)):
            urllib.request.urlopen(f"{server.url}/health", timeout=5)
        for connection in open_ones:
            connection.close()
        wait_until(lambda: is_healthy(server.url))


def test_hangup_loads_a_bundle_again_without_losing_a_request(tmp_path: Path) -> None:
    link, bundle = tmp_path / "a=current", tmp_path / "second"
    link.symlink_to(starter_folder())
    shutil.copytree(starter_folder(), bundle)
    with running("--model", link) as server:
        failed: list[object] = []
        stop = threading.Event()

        def call() -> None:
            with requests.Session() as session:
                while not stop.is_set():
                    body = {"inputs": "thanks a lot!"}
                    try:
                        answer = session.post(f"{server.url}/predict", json=body, timeout=30)
                    except requests.RequestException as error:
                        failed.append(error)
                        continue
                    if answer.status_code != 200:
                        failed.append(answer.text)

        callers = [threading.Thread(target=call) for _ in range(4)]
        for caller in callers:
            caller.start()
        try:
            manifest = json.loads((bundle / "bundle.json").read_text())
            manifest["labels"][manifest["labels"].index("gratitude")] = "thankfulness"
            (bundle / "bundle.json").write_text(json.dumps(manifest))
            link.unlink()
            link.symlink_to(bundle)
            server.process.send_signal(signal.SIGHUP)
            wait_until(lambda: predict(server.url).json()[0]["label"] == "thankfulness")
            (bundle / "bundle.json").write_text("{")
            server.process.send_signal(signal.SIGHUP)
            time.sleep(1)
            assert predict(server.url).json()[0]["label"] == "thankfulness"
        finally:
            stop.set()
            for caller in callers:
                caller.join()
        server.process.terminate()
        assert server.end() == 0
    assert not failed
    assert "The models were loaded again." in server.output
    assert "the old ones stay" in server.output


def is_worker(process: psutil.Process) -> bool:
    try:
        return "spawn_main" in " ".join(process.cmdline())
    except psutil.Error:  # it has just ended
        return False


def test_a_worker_that_is_killed_is_replaced_and_metrics_are_those_of_all() -> None:
    with running("--workers", 2) as server:

        def workers() -> list[int]:
            children = psutil.Process(server.process.pid).children(recursive=True)
            return [c.pid for c in children if is_worker(c)]

        wait_until(lambda: len(workers()) == 2)
        for _ in range(20):
            assert predict(server.url).status_code == 200
        counts = 'te_request_count{method="single"} 20.0'
        assert counts in requests.get(f"{server.url}/metrics", timeout=30).text
        killed = workers()[0]
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: len(workers()) == 2 and killed not in workers())
        wait_until(lambda: is_healthy(server.url))
        assert predict(server.url).status_code == 200
        server.process.terminate()
        assert server.end() == 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--model", "no/such/folder"), "no/such/folder"),
        (("--model", "a={starter}", "--model", "a={starter}"), "Two models have the name 'a'"),
        (("--api-key-file", "{tmp}/short"), "16 characters"),
        (("--api-key-file", "{tmp}/empty"), "contains no API key"),
        (("--api-key-file", "{tmp}/missing"), "cannot be read"),
        (("--deadline", "0"), "above 0"),
        (("--host", "256.1.1.1"), "Cannot listen on 256.1.1.1"),
    ],
)
def test_a_mistake_is_answered_before_anything_is_served(
    run_cli: Callable[..., object], tmp_path: Path, words: tuple[str, ...], says: str
) -> None:
    (tmp_path / "short").write_text("abc\n")
    (tmp_path / "empty").write_text("# none\n\n")
    done = run_cli("serve", *(w.format(tmp=tmp_path, starter=starter_folder()) for w in words))
    assert done.code == 2 and says in done.err  # type: ignore[attr-defined]


def test_an_address_for_other_machines_without_a_key_is_warned_about() -> None:
    with running("--host", "0.0.0.0") as server:
        server.process.terminate()
        server.end()
    assert "no API key is set" in server.output
    with running("--host", "0.0.0.0", DISTILLORA_API_KEYS=KEY) as server:
        server.process.terminate()
        server.end()
    assert "no API key is set" not in server.output
    assert KEY not in server.output


def test_the_service_needs_no_torch(server: Server) -> None:
    code = "import sys, distillora.service.app; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
