"""The command that classifies over HTTP."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated, Any

import typer

from distillora.api.packages import require
from distillora.cli.base import app, say
from distillora.errors import InputError

_LIMITS = "Limits"
_HOST = "127.0.0.1"


def _limit(help_text: str, name: str | None = None, **bounds: Any) -> Any:
    names = [name] if name else []
    return typer.Option(
        *names, help=help_text, rich_help_panel=_LIMITS, show_default=True, **bounds
    )


@app.command()
def serve(
    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[NAME=]BUNDLE|OWNER/NAME[@REVISION]",
            help="A bundle, in a folder or on the Hugging Face Hub, and the name to serve it "
            "under; repeat it to serve several. The first one is the default.  "
            "\\[default: the starter model]",
        ),
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; 0.0.0.0 accepts other machines.")
    ] = _HOST,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8080,
    workers: Annotated[int, typer.Option(min=1, help="Processes; each loads every model.")] = 1,
    threads: Annotated[
        int | None,
        typer.Option(
            min=1, help="Threads per worker.  \\[default: the cores divided by the workers]"
        ),
    ] = None,
    api_key_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="API keys, one a line; or set DISTILLORA_API_KEYS, separated by commas. "
            "Without keys, anyone who can connect may call.",
        ),
    ] = None,
    cors: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ORIGIN",
            help="Let web pages of this origin call, such as https://example.org; repeatable.",
        ),
    ] = None,
    log: Annotated[
        bool, typer.Option("--log/--no-log", help="Log each request as a line of JSON.")
    ] = True,
    max_body_bytes: Annotated[int, _limit("Bytes per request.", min=1)] = 2_000_000,
    max_inputs: Annotated[int, _limit("Texts per request.", min=1)] = 32,
    max_characters: Annotated[int, _limit("Characters per text.", min=1)] = 100_000,
    max_queue: Annotated[
        int, _limit("Texts waiting or in progress; beyond that, 429.", min=1)
    ] = 512,
    max_batch_tokens: Annotated[int, _limit("Tokens per batch.", min=1)] = 16_384,
    deadline: Annotated[float, _limit("Seconds before a request fails with 503.")] = 10.0,
    client_timeout: Annotated[
        float, _limit("Seconds that a client may take to send headers, and the body.")
    ] = 10.0,
    keep_alive: Annotated[float, _limit("Seconds that an idle connection stays open.")] = 75.0,
    max_connections: Annotated[int, _limit("Open connections per worker.", min=1)] = 1024,
    max_header_bytes: Annotated[int, _limit("Bytes of headers.", min=1)] = 32_768,
    shutdown_timeout: Annotated[
        float, _limit("Seconds to answer what was admitted, after SIGTERM.")
    ] = 30.0,
) -> None:
    """Classify over HTTP: /predict, /classify, /v1/moderations, /models/NAME; see /docs."""
    require("serve", "fastapi", "fastapi_offline", "uvicorn", "httptools", "prometheus_client")
    from pydantic import ValidationError

    from distillora.inference.classifier import available_cores
    from distillora.network import check_address
    from distillora.service.server import run
    from distillora.service.settings import Limits, ServiceSettings, read_keys

    keys = read_keys(api_key_file)
    try:
        settings = ServiceSettings(
            models=_find_models(model),
            threads=threads or max(1, available_cores() // workers),
            limits=Limits(
                body_bytes=max_body_bytes,
                inputs=max_inputs,
                characters=max_characters,
                queue=max_queue,
                batch_tokens=max_batch_tokens,
                deadline=deadline,
                client=client_timeout,
                keep_alive=keep_alive,
                connections=max_connections,
                header_bytes=max_header_bytes,
                shutdown=shutdown_timeout,
            ),
            key_hashes=keys,
            origins=tuple(cors or ()),
            log=log,
        )
    except ValidationError as error:
        raise InputError(f"A limit must be above 0: {error.errors()[0]['loc'][-1]}.") from None
    check_address(host, port)
    if not keys and not _is_loopback(host):
        say(
            f"Warning: {host} accepts other machines, and no API key is set, so anyone who can "
            "connect may call. Set DISTILLORA_API_KEYS or --api-key-file."
        )
    names = ", ".join(settings.models)
    say(f"Serving {names} on http://{host}:{port}; http://{host}:{port}/docs describes the API.")
    run(settings, host, port, workers)


def _find_models(given: list[str] | None) -> dict[str, Path]:
    """Return the bundles by name, each checked.

    Raises:
        InputError: a name occurs twice.
        BundleError, IntegrityError, HubError, OfflineError: a bundle cannot be used.
    """
    from distillora.api.packages import find_bundle
    from distillora.inference.bundle import Bundle

    models: dict[str, Path] = {}
    for one in given or ["starter="]:
        name, separator, place = one.partition("=")
        if not separator or Path(one).expanduser().is_dir():  # a path may contain the sign
            name, place = "", one
        folder = find_bundle(place or None, notify=say)
        Bundle.open(folder).verify()
        if not name:  # a folder's own name, or the name on the Hub
            local = Path(place).expanduser().is_dir()
            name = folder.absolute().name if local else place.partition("@")[0]
        if name in models:
            raise InputError(f"Two models have the name '{name}'. Write --model OTHER={place}.")
        models[name] = (
            folder.absolute()
        )  # not resolved: a link may point elsewhere by the next reload
    return models


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
