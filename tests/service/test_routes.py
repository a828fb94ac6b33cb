"""Every route answers as the interface that it imitates, with the classifier's own numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from starlette.testclient import TestClient

from distillora.inference.classifier import TextClassifier
from distillora.service.settings import Limits
from service.conftest import in_process

TEXTS = ["thanks a lot!", "go away, you idiot", "what time is it?"]


@pytest.fixture(scope="module")
def classifier() -> TextClassifier:
    return TextClassifier.load(threads=1)


def scores(classifier: TextClassifier, text: str) -> dict[str, float]:
    return classifier.predict(text)[0].scores


def as_dict(answer: list[dict[str, object]]) -> dict[object, object]:
    return {item["label"]: item["score"] for item in answer}


@pytest.mark.parametrize("inputs", [TEXTS[0], [TEXTS[0]]])
def test_predict_answers_one_text_with_its_labels_sorted(
    client: TestClient, classifier: TextClassifier, inputs: object
) -> None:
    answer = client.post("/predict", json={"inputs": inputs})
    assert answer.status_code == 200
    found = answer.json()
    assert [*found[0]] == ["score", "label"]
    assert as_dict(found) == pytest.approx(scores(classifier, TEXTS[0]), abs=1e-6)
    assert [item["score"] for item in found] == sorted((i["score"] for i in found), reverse=True)


def test_predict_answers_a_batch_in_its_order(
    client: TestClient, classifier: TextClassifier
) -> None:
    answer = client.post("/predict", json={"inputs": [[text] for text in TEXTS]}).json()
    alone = [client.post("/predict", json={"inputs": text}).json() for text in TEXTS]
    for batch, one, text in zip(answer, alone, TEXTS, strict=True):
        # in int8, scores depend slightly on the other texts of a batch
        assert as_dict(batch) == pytest.approx(as_dict(one), abs=0.08)
        assert as_dict(one) == pytest.approx(scores(classifier, text), abs=1e-6)
    assert client.post("/predict", json={"inputs": [["a"]]}).json()[0][0].keys() == {
        "score",
        "label",
    }


def test_predict_returns_logits_on_request(client: TestClient, classifier: TextClassifier) -> None:
    raw = as_dict(client.post("/predict", json={"inputs": TEXTS[0], "raw_scores": True}).json())
    expected = classifier.score([TEXTS[0]]).logits[0]
    assert [raw[label] for label in classifier.labels] == pytest.approx(expected.tolist(), abs=1e-5)


def test_predict_says_where_the_time_went_and_what_was_read(client: TestClient) -> None:
    headers = client.post("/predict", json={"inputs": [[text] for text in TEXTS]}).headers
    assert headers["x-compute-characters"] == str(sum(map(len, TEXTS)))
    assert int(headers["x-compute-tokens"]) > len(TEXTS) * 3
    for name in ("compute", "total", "tokenization", "queue", "inference"):
        assert int(headers[f"x-{name}-time"]) >= 0
    assert headers["x-compute-type"] == "cpu"


def test_a_text_that_is_too_long_is_refused_or_cut_at_the_end_that_is_asked_for(
    client: TestClient,
) -> None:
    text = "thanks " + "so " * 200 + "idiot"
    refused = client.post("/predict", json={"inputs": text})
    assert refused.status_code == 422
    assert refused.json() == {
        "error": "`inputs` must have at most 128 tokens. Given: 204. "
        "Set `truncate` to cut longer texts.",
        "error_type": "Validation",
    }
    right, left = (
        client.post(
            "/predict", json={"inputs": text, "truncate": True, "truncation_direction": side}
        ).json()[0]["label"]
        for side in ("right", "Left")
    )
    assert (right, left) == (
        client.post("/predict", json={"inputs": "thanks " + "so " * 125}).json()[0]["label"],
        client.post("/predict", json={"inputs": "so " * 125 + "idiot"}).json()[0]["label"],
    )
    assert right != left


def test_a_text_that_is_too_long_does_not_spoil_its_neighbours(client: TestClient) -> None:
    answer = client.post("/predict", json={"inputs": [["fine"], ["so " * 200]]})
    assert answer.status_code == 422
    assert client.post("/predict", json={"inputs": "fine"}).status_code == 200


@pytest.mark.parametrize(
    "inputs", [["a", "b"], [["a", "b"]], [["a"], ["b", "c"]]], ids=["flat", "item", "mixed"]
)
def test_a_pair_of_texts_is_refused_with_the_reason(client: TestClient, inputs: object) -> None:
    answer = client.post("/predict", json={"inputs": inputs})
    assert answer.status_code == 422
    assert "pair of texts" in answer.json()["error"]


@pytest.mark.parametrize(
    ("path", "body", "names"),
    [
        ("/predict", {}, "inputs"),
        ("/predict", {"inputs": []}, "inputs"),
        ("/predict", {"inputs": [[]]}, "inputs"),
        ("/predict", {"inputs": 3}, "inputs"),
        ("/predict", {"inputs": "a", "truncate": "yes"}, "truncate"),
        ("/predict", {"inputs": "a", "truncation_direction": "up"}, "truncation_direction"),
        ("/", {"inputs": "a", "parameters": {"top_k": 0}}, "parameters"),
        ("/", {"inputs": "a", "parameters": {"function_to_apply": "tanh"}}, "parameters"),
        ("/classify", {"input": None}, "input"),
        ("/v1/moderations", {"input": [{"type": "image_url", "image_url": {}}]}, "input"),
    ],
)
def test_a_body_that_does_not_fit_is_refused_with_the_key(
    client: TestClient, path: str, body: object, names: str
) -> None:
    answer = client.post(path, json=body)
    assert answer.status_code == 422
    assert answer.json()["error_type"] == "Validation"
    assert answer.json()["error"].startswith(names)


def test_an_error_never_quotes_what_was_sent(client: TestClient) -> None:
    secret = "my secret comment"
    for body in ({"inputs": {"text": secret}}, {"inputs": [[secret], 3]}, {secret: 1}):
        assert secret not in client.post("/predict", json=body).text


def test_hugging_face_answers_a_list_for_each_text(
    client: TestClient, classifier: TextClassifier
) -> None:
    (one,) = client.post("/", json={"inputs": TEXTS[0]}).json()
    assert as_dict(one) == pytest.approx(scores(classifier, TEXTS[0]), abs=1e-6)
    named = client.post("/models/starter", json={"inputs": TEXTS}).json()
    assert [len(labels) for labels in named] == [28, 28, 28]
    unknown = client.post("/models/other", json={"inputs": "a"})
    assert unknown.status_code == 404
    assert unknown.json()["error"] == "Unknown model. Choose one of: starter"


@pytest.mark.parametrize("function", ["sigmoid", "softmax", "none"])
def test_hugging_face_parameters_are_followed(
    client: TestClient, classifier: TextClassifier, function: str
) -> None:
    parameters = {"top_k": 3, "function_to_apply": function}
    ((*found,),) = client.post("/", json={"inputs": TEXTS[0], "parameters": parameters}).json()
    logits = classifier.score([TEXTS[0]]).logits[0].astype(float)
    expected = {
        "none": logits,
        "sigmoid": 1 / (1 + np.exp(-logits)),
        "softmax": np.exp(logits) / np.exp(logits).sum(),
    }[function]
    assert [i["score"] for i in found] == pytest.approx(np.sort(expected)[:-4:-1], abs=1e-5)


def test_classify_answers_as_vllm_does(client: TestClient, classifier: TextClassifier) -> None:
    answer = client.post("/classify", json={"model": "starter", "input": TEXTS}).json()
    assert answer["object"] == "list" and answer["model"] == "starter"
    assert [item["index"] for item in answer["data"]] == [0, 1, 2]
    for item in answer["data"]:
        assert item["num_classes"] == len(item["probs"]) == 28
        assert item["label"] == classifier.labels[int(np.argmax(item["probs"]))]
    tokens = sum(classifier.tokenize(TEXTS).lengths)
    assert answer["usage"]["prompt_tokens"] == answer["usage"]["total_tokens"] == tokens


def test_moderations_answer_with_the_toxicity_signal(
    client: TestClient, classifier: TextClassifier
) -> None:
    answer = client.post("/v1/moderations", json={"input": TEXTS[:2]}).json()
    assert answer["model"] == "starter" and answer["id"].startswith("modr-")
    for result, expected in zip(answer["results"], classifier.predict(TEXTS[:2]), strict=True):
        assert result["flagged"] is result["categories"]["harassment"] is bool(expected.toxic)
        assert result["category_scores"] == {
            "harassment": pytest.approx(expected.toxicity, abs=0.08)
        }
    parts = [{"type": "text", "text": TEXTS[0]}]
    body = {"input": parts, "model": "omni-moderation-latest"}
    assert client.post("/v1/moderations", json=body).json()["results"][0]["flagged"] is False


def test_info_describes_the_model_and_the_limits(
    client: TestClient, classifier: TextClassifier
) -> None:
    info = client.get("/info").json()
    names = info["model_type"]["classifier"]["id2label"]
    assert [names[str(i)] for i in range(28)] == [*classifier.labels]
    assert info["max_input_length"] == 128 and info["max_client_batch_size"] == 32
    assert info["models"] == ["starter"]


def test_metrics_count_requests_texts_and_refusals() -> None:
    with in_process() as client:

        def counted(name: str) -> float:
            lines = client.get("/metrics").text.splitlines()
            return math.fsum(float(line.split()[-1]) for line in lines if line.startswith(name))

        before = counted("te_request_count{"), counted("te_request_input_length_count")
        failed = counted('te_request_failure{err="validation"}')
        client.post("/predict", json={"inputs": "a"})
        client.post("/predict", json={"inputs": [["a"], ["b"]]})
        client.post("/predict", json={"inputs": 3})
        after = counted("te_request_count{"), counted("te_request_input_length_count")
        assert (after[0] - before[0], after[1] - before[1]) == (2, 3)
        assert counted('te_request_failure{err="validation"}') - failed == 1
        assert counted("te_queue_size") == 0
        assert "# TYPE te_request_count counter" in client.get("/metrics").text


def test_what_is_not_there_is_answered_in_the_same_shape(client: TestClient) -> None:
    assert client.get("/nope").json()["error_type"] == "NotFound"
    wrong = client.get("/predict")
    assert wrong.status_code == 405 and wrong.json()["error_type"] == "Validation"


def test_limits_are_kept(client: TestClient) -> None:
    many = client.post("/predict", json={"inputs": [["a"]] * 33})
    assert many.status_code == 422 and "32 texts" in many.json()["error"]
    assert client.post("/predict", json={"inputs": [["a"]] * 32}).status_code == 200
    long = client.post("/predict", json={"inputs": "a" * 10_001, "truncate": True})
    assert long.status_code == 422 and "10000 characters" in long.json()["error"]
    large = client.post("/predict", json={"inputs": "a" * 60_000})
    assert large.status_code == 413 and "50000 bytes" in large.json()["error"]
    chunked = client.post(
        "/predict",
        content=(b"a" * 10_000 for _ in range(6)),
        headers={"content-type": "application/json"},
    )
    assert chunked.status_code == 413
    text = client.post("/predict", content=b"{}", headers={"content-type": "text/plain"})
    assert text.status_code == 415


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[" * 40_000, b'{"inputs": "\xff"}', b'{"inputs": NaN}', b"null", b"[]", b'"a"'],
    ids=["empty", "torn", "deep", "bytes", "nan", "null", "list", "string"],
)
@pytest.mark.parametrize("path", ["/predict", "/", "/classify", "/v1/moderations"])
def test_malformed_json_is_refused(client: TestClient, path: str, body: bytes) -> None:
    answer = client.post(path, content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 422
    assert answer.json()["error_type"] == "Validation"


@pytest.mark.parametrize("text", ["", " ", "\x00", "\U0001f600" * 50, "a" * 5000, "\u202e\u0301"])
def test_any_text_has_an_answer(client: TestClient, text: str) -> None:
    answer = client.post("/predict", json={"inputs": text, "truncate": True})
    assert answer.status_code == 200
    assert all(math.isfinite(item["score"]) for item in answer.json())


def test_a_key_is_needed_where_one_is_set() -> None:
    from distillora.service.settings import hash_key

    with in_process(key_hashes=[hash_key("k" * 20), hash_key("other-key-of-mine")]) as client:
        body = {"inputs": "a"}
        for headers in ({}, {"authorization": "Bearer wrong"}, {"x-api-key": "k" * 19}):
            answer = client.post("/predict", json=body, headers=headers)
            assert answer.status_code == 401 and answer.headers["www-authenticate"] == "Bearer"
            assert answer.json()["error_type"] == "Unauthorized"
        for headers in (
            {"authorization": "Bearer " + "k" * 20},
            {"x-api-key": "other-key-of-mine"},
        ):
            assert client.post("/predict", json=body, headers=headers).status_code == 200
        assert client.get("/health").status_code == 200
        assert client.get("/metrics").status_code == 401
        assert client.get("/openapi.json").json()["security"] == [{"key": []}]


def test_the_page_of_the_api_loads_nothing_from_elsewhere(client: TestClient) -> None:
    page = client.get("/docs").text
    assert "://" not in page.replace("http://testserver", "")
    script = client.get("/static-offline-docs/swagger-ui-bundle.js")
    assert script.status_code == 200 and len(script.content) > 100_000


def test_web_pages_may_call_only_from_the_origins_that_are_let_in() -> None:
    headers = {"origin": "https://example.org", "access-control-request-method": "POST"}
    with in_process() as client:
        answer = client.options("/predict", headers=headers)
        assert "access-control-allow-origin" not in answer.headers
    with in_process(origins=["https://example.org"]) as client:
        answer = client.options("/predict", headers=headers)
        assert answer.headers["access-control-allow-origin"] == "https://example.org"
        other = client.options("/predict", headers={**headers, "origin": "https://other.org"})
        assert "access-control-allow-origin" not in other.headers


def test_a_request_has_an_id(client: TestClient) -> None:
    assert len(client.get("/health").headers["x-request-id"]) == 16
    given = client.get("/health", headers={"x-request-id": "abc-1"})
    assert given.headers["x-request-id"] == "abc-1"
    odd = client.get("/health", headers={"x-request-id": 'a"b'})
    assert odd.headers["x-request-id"] != 'a"b'


def test_a_request_that_takes_too_long_is_given_up() -> None:
    with in_process(limits=Limits(deadline=0.0001)) as client:
        answer = client.post("/predict", json={"inputs": "a"})
        assert answer.status_code == 503 and answer.json()["error_type"] == "Overloaded"


def test_too_many_texts_are_refused_at_once() -> None:
    from concurrent.futures import ThreadPoolExecutor

    with in_process(limits=Limits(queue=8)) as client, ThreadPoolExecutor(16) as callers:

        def call(_: int) -> int:
            answer = client.post("/predict", json={"inputs": [["a few words"]] * 4})
            if answer.status_code == 429:
                assert answer.headers["retry-after"] == "1"
                assert answer.json()["error_type"] == "Overloaded"
            return answer.status_code

        statuses = [*callers.map(call, range(100))]
    assert {*statuses} == {200, 429}
