"""The service as an ASGI application: start, reload, errors, OpenAPI document."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.openapi.utils import get_openapi
from fastapi_offline import FastAPIOffline
from pydantic.json_schema import models_json_schema
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import JSONResponse

from distillora import __version__
from distillora.errors import DistilloraError
from distillora.service.errors import ErrorType, ServiceError
from distillora.service.middleware import LOG, Gate, error_response, log_to_stderr
from distillora.service.routes import REQUESTS, Service, add_routes
from distillora.service.served import ServedModels
from distillora.service.settings import ServiceSettings


def create_app(settings: ServiceSettings | None = None) -> FastAPI:
    """Return the application.

    Args:
        settings: by default those that the environment contains, for a worker process.
    """
    if settings is None:  # in a worker process
        settings = ServiceSettings.from_environment()
        log_to_stderr()
    models = ServedModels(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await models.open()
        _reload_on_signal(models)
        yield
        await models.close()

    app = FastAPIOffline(  # its /docs loads nothing from elsewhere
        redoc_url=None,
        redirect_slashes=False,  # the caller's Host would be in the redirect
        title="distillora",
        version=__version__,
        description="Classifies texts. The shapes of requests and answers are those of "
        "text-embeddings-inference, Hugging Face, vLLM and OpenAI.",
        lifespan=lifespan,
    )
    add_routes(app, Service(models, settings))
    app.add_exception_handler(ServiceError, _answer_error)  # type: ignore[arg-type]
    app.add_exception_handler(HTTPException, _answer_http_error)  # type: ignore[arg-type]
    app.add_middleware(Gate, settings=settings)
    if settings.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.origins,
            allow_methods=["GET", "POST"],
            allow_headers=["authorization", "content-type", "x-api-key", "x-request-id"],
        )
    app.openapi = lambda: _openapi(app, bool(settings.key_hashes))  # type: ignore[method-assign]
    return app


def _reload_on_signal(models: ServedModels) -> None:
    """Open the bundles again on SIGHUP; requests go to the old ones until the new ones are warm."""
    reloading: set[asyncio.Task[None]] = set()

    async def reload() -> None:
        try:
            await models.open()
            LOG.warning("The models were loaded again.")
        except (DistilloraError, OSError) as error:
            LOG.error("The models were not loaded again; the old ones stay. %s", error)

    def begin() -> None:
        task = asyncio.get_running_loop().create_task(reload())
        reloading.add(task)
        task.add_done_callback(reloading.discard)

    # not in a thread other than the main one, nor on a system without the signal
    with contextlib.suppress(NotImplementedError, RuntimeError, ValueError, AttributeError):
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, begin)


async def _answer_error(_: Request, error: ServiceError) -> JSONResponse:
    return error_response(error)


async def _answer_http_error(_: Request, error: HTTPException) -> JSONResponse:
    kind: ErrorType = "NotFound" if error.status_code == 404 else "Validation"
    message = "Unknown path." if error.status_code == 404 else str(error.detail)
    headers = {**(error.headers or {})}
    return error_response(ServiceError(error.status_code, kind, message, headers))


def _openapi(app: FastAPI, needs_key: bool) -> dict[str, Any]:
    """Return the OpenAPI document, with the bodies that routes parse themselves."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes
        )
        _, schemas = models_json_schema(
            [(body, "validation") for body in REQUESTS],
            ref_template="#/components/schemas/{model}",
        )
        document["components"]["schemas"] |= schemas["$defs"]
        if needs_key:
            document["components"]["securitySchemes"] = {
                "key": {"type": "http", "scheme": "bearer"}
            }
            document["security"] = [{"key": []}]
        app.openapi_schema = document
    return app.openapi_schema
