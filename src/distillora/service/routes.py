"""The routes of the service: what each of them reads and answers."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from fastapi import FastAPI, Request
from pydantic import BaseModel, ValidationError
from starlette.responses import JSONResponse, Response

from distillora import __version__
from distillora.inference.classifier import Scores, TruncationDirection
from distillora.probabilities import TaskType, to_probabilities
from distillora.service.batching import Scored
from distillora.service.errors import ServiceError, invalid
from distillora.service.prometheus import METRICS, render_metrics
from distillora.service.schemas import (
    ClassifyRequest,
    ClassifyResponse,
    ErrorBody,
    InferenceRequest,
    Info,
    Label,
    ModerationRequest,
    ModerationResponse,
    PredictRequest,
)
from distillora.service.served import ServedModel, ServedModels
from distillora.service.settings import ServiceSettings

_ANSWERS: dict[int, str] = {
    401: "The API key is missing or wrong.",
    404: "The model is unknown.",
    408: "The body did not arrive in time.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    422: "The request is not valid, or a text is too long.",
    424: "The model failed.",
    429: "Too many texts are waiting.",
    503: "The service is starting, or the request was not answered in time.",
}
_FUNCTIONS: dict[str, TaskType] = {"softmax": "single_label", "sigmoid": "multi_label"}
_HARASSMENT = "harassment"
"""The category of OpenAI that is closest to what the toxicity signal means."""

REQUESTS = (PredictRequest, InferenceRequest, ClassifyRequest, ModerationRequest)
"""The bodies that routes parse themselves."""

Body = TypeVar("Body", bound=BaseModel)


@dataclass(frozen=True)
class Service:
    """What the routes share."""

    models: ServedModels
    settings: ServiceSettings

    async def score(
        self,
        request: Request,
        model: ServedModel,
        texts: list[str],
        *,
        truncate: bool = True,
        direction: TruncationDirection = "right",
        batch: bool | None = None,
    ) -> tuple[Scored, dict[str, str]]:
        """Classify the texts of a request within its limits; return the headers for the answer."""
        begun = time.perf_counter()
        method = "batch" if (len(texts) > 1 if batch is None else batch) else "single"
        METRICS.requests.labels(method).inc()
        limits = self.settings.limits
        if len(texts) > limits.inputs:
            raise invalid(f"A request may have {limits.inputs} texts; this one has {len(texts)}.")
        characters = sum(map(len, texts))
        if max(map(len, texts)) > limits.characters:
            raise invalid(f"A text may have {limits.characters} characters.")
        scored = await model.batcher.score(texts, truncate=truncate, direction=direction)
        took = time.perf_counter() - begun
        METRICS.successes.labels(method).inc()
        METRICS.duration.observe(took)
        METRICS.queue.observe(scored.queue_seconds)
        METRICS.tokenization.observe(scored.tokenization_seconds)
        METRICS.inference.observe(scored.inference_seconds)
        for tokens in scored.tokens:
            METRICS.input_length.observe(tokens)
        tokens = sum(scored.tokens)
        request.state.log = {"inputs": len(texts), "tokens": tokens, "model": model.name}
        return scored, {
            "x-compute-type": "cpu",
            "x-compute-time": _milliseconds(took),
            "x-compute-characters": str(characters),
            "x-compute-tokens": str(tokens),
            "x-total-time": _milliseconds(took),
            "x-tokenization-time": _milliseconds(scored.tokenization_seconds),
            "x-queue-time": _milliseconds(scored.queue_seconds),
            "x-inference-time": _milliseconds(scored.inference_seconds),
        }


def _milliseconds(seconds: float) -> str:
    return str(round(1000 * seconds))


async def _parse(request: Request, shape: type[Body]) -> Body:
    """Read a body.

    Raises:
        ServiceError: 415 if it is not JSON; 422 with the first problem, which never quotes what
            was sent.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" and not kind.endswith("+json"):
        raise ServiceError(415, "Validation", "The body must be application/json.")
    try:
        return shape.model_validate_json(await request.body())
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False, include_context=False)[0]
        message = problem["msg"].removeprefix("Value error, ")
        if not problem["loc"]:
            raise invalid(message) from None
        name = str(problem["loc"][0])
        if expected := shape.model_fields[name].description:
            message = (
                f"{'missing' if problem['type'] == 'missing' else 'not usable'}; give {expected}"
            )
        else:
            name = ".".join(map(str, problem["loc"]))
        raise invalid(f"{name}: {message}") from None


def _labels(
    labels: Sequence[str], scores: npt.NDArray[np.floating], top_k: int | None = None
) -> list[dict[str, Any]]:
    order = np.argsort(-scores, kind="stable")[:top_k]
    return [{"score": float(scores[i]), "label": labels[i]} for i in order]


def add_routes(app: FastAPI, service: Service) -> None:
    """Add every route to the application."""
    models = service.models

    async def predict(request: Request) -> Response:
        """Classify a text or a batch of texts, as text-embeddings-inference does.

        Unlike there, a model in which several labels may apply gets independent probabilities.
        """
        asked = await _parse(request, PredictRequest)
        model = models.get()
        scored, headers = await service.score(
            request,
            model,
            asked.texts,
            truncate=bool(asked.truncate),
            direction=asked.direction,
            batch=asked.is_batch,
        )
        classifier = model.classifier
        scores = (
            scored.logits if asked.raw_scores else to_probabilities(scored.logits, classifier.task)
        )
        answers = [_labels(classifier.labels, row) for row in scores]
        return JSONResponse(answers if asked.is_batch else answers[0], headers=headers)

    async def infer(request: Request, name: str | None = None) -> Response:
        """Classify texts, as a Hugging Face inference endpoint does."""
        asked = await _parse(request, InferenceRequest)
        model = models.get(name)
        scored, headers = await service.score(request, model, asked.texts)
        classifier = model.classifier
        scores: npt.NDArray[np.floating] = scored.logits
        function = asked.parameters and asked.parameters.function_to_apply
        if function != "none":
            task = _FUNCTIONS[function] if function else classifier.task
            scores = to_probabilities(scored.logits, task)
        top_k = asked.parameters.top_k if asked.parameters else None
        return JSONResponse(
            [_labels(classifier.labels, row, top_k) for row in scores], 200, headers
        )

    async def infer_default(request: Request) -> Response:
        """Classify texts with the first model, as a Hugging Face inference endpoint does."""
        return await infer(request)

    async def infer_named(request: Request, name: str) -> Response:
        """Classify texts with a model by its name, as a Hugging Face inference endpoint does."""
        return await infer(request, name)

    async def classify(request: Request) -> Response:
        """Classify texts, as vLLM and SGLang do."""
        asked = await _parse(request, ClassifyRequest)
        model = models.get(asked.model)
        scored, headers = await service.score(request, model, asked.texts)
        classifier = model.classifier
        probabilities = to_probabilities(scored.logits, classifier.task)
        data = [
            {
                "index": index,
                "label": classifier.labels[int(row.argmax())],
                "probs": row.tolist(),
                "num_classes": len(row),
            }
            for index, row in enumerate(probabilities)
        ]
        tokens = sum(scored.tokens)
        usage = {"prompt_tokens": tokens, "total_tokens": tokens, "completion_tokens": 0}
        body = {
            "id": f"classify-{uuid.uuid4().hex}",
            "object": "list",
            "created": int(time.time()),
            "model": model.name,
            "data": data,
            "usage": {**usage, "prompt_tokens_details": None},
        }
        return JSONResponse(body, headers=headers)

    async def moderate(request: Request) -> Response:
        """Say how toxic texts are, as OpenAI does.

        The category `harassment` is the model's toxicity signal, and a text is flagged if it
        reaches the signal's threshold. OpenAI's other categories are absent.
        """
        asked = await _parse(request, ModerationRequest)
        # a client may send the name of OpenAI's own model
        foreign = (asked.model or "").startswith(("omni-moderation", "text-moderation"))
        model = models.get(None if foreign else asked.model)
        classifier = model.classifier
        if classifier.toxicity is None:
            raise invalid("This model has no toxicity signal.")
        scored, headers = await service.score(request, model, asked.texts)
        cut = np.zeros(len(scored.logits), dtype=np.bool_)
        results = [
            {
                "flagged": bool(found.toxic),
                "categories": {_HARASSMENT: bool(found.toxic)},
                "category_scores": {_HARASSMENT: found.toxicity},
                "category_applied_input_types": {_HARASSMENT: ["text"]},
            }
            for found in classifier.predictions(Scores(scored.logits, cut))
        ]
        body = {"id": f"modr-{uuid.uuid4().hex}", "model": model.name, "results": results}
        return JSONResponse(body, headers=headers)

    async def health() -> Response:
        """Answer 200 when every model is loaded and warm, else 503."""
        models.get()
        return Response()

    async def info() -> Response:
        """Say what is served and what is allowed."""
        model = models.get()
        classifier, limits = model.classifier, service.settings.limits
        manifest = classifier.bundle.manifest
        names = dict(enumerate(classifier.labels))
        body = Info(
            model_id=model.name,
            model_sha=manifest.origin.weights_sha256,
            model_dtype=classifier.precision,
            model_type={
                "classifier": {
                    "id2label": {str(i): label for i, label in names.items()},
                    "label2id": {label: i for i, label in names.items()},
                }
            },
            max_concurrent_requests=limits.queue,
            max_input_length=classifier.max_length,
            max_batch_tokens=limits.batch_tokens,
            max_client_batch_size=limits.inputs,
            version=__version__,
            models=models.names,
        )
        return JSONResponse(body.model_dump())

    async def metrics() -> Response:
        """Return the metrics for Prometheus, under the names of text-embeddings-inference."""
        return Response(render_metrics(), media_type="text/plain; version=0.0.4")

    _post(app, "/predict", predict, PredictRequest, list[Label] | list[list[Label]])
    _post(app, "/", infer_default, InferenceRequest, list[list[Label]])
    _post(app, "/models/{name:path}", infer_named, InferenceRequest, list[list[Label]])
    _post(app, "/classify", classify, ClassifyRequest, ClassifyResponse)
    _post(app, "/v1/moderations", moderate, ModerationRequest, ModerationResponse)
    errors: dict[int | str, Any] = {status: _describe_error(status) for status in (401, 503)}
    app.get("/health", responses={503: errors[503]}, response_class=Response)(health)
    app.get("/info", response_model=Info, responses=errors)(info)
    app.get("/metrics", responses={401: errors[401]}, response_class=Response)(metrics)


def _post(
    app: FastAPI,
    path: str,
    handler: Callable[..., Any],
    body: type[BaseModel],
    answer: Any,
) -> None:
    """Add a route that parses its own body, so that errors have one shape and a bound."""
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{body.__name__}"}}}
    app.post(
        path,
        response_model=answer,
        responses={status: _describe_error(status) for status in _ANSWERS},
        openapi_extra={"requestBody": {"required": True, "content": content}},
    )(handler)


def _describe_error(status: int) -> dict[str, Any]:
    return {"model": ErrorBody, "description": _ANSWERS[status]}
