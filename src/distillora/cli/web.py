"""The command that opens the app in the browser."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Annotated

import typer

from distillora.cli.base import app as commands
from distillora.cli.base import find_bundle, require
from distillora.errors import InputError


@commands.command()
def app(
    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="BUNDLE|OWNER/NAME[@REVISION]",
            help="A bundle, in a folder or on the Hugging Face Hub; give it several times to "
            "compare.  [default: starter]",
        ),
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="A finished run: its arms and its report are shown too."),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Draw examples from this folder, not from the sample."),
    ] = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8501,
    host: Annotated[
        str, typer.Option(help="Address to listen on; 0.0.0.0 lets other machines in.")
    ] = "127.0.0.1",
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open it in a browser at once.")
    ] = True,
) -> None:
    """Open the web app: predict, look at a sample and its errors, compare models, score files."""
    require("app", "streamlit", "altair", "pandas", "pyarrow")
    from distillora.app.settings import Options, check_options, streamlit_flags

    options = Options(tuple(map(find_bundle, model or ())), run, data)
    check_options(options)
    _check_address(host, port)
    from streamlit.web import cli

    import distillora.app as package

    script = Path(package.__file__).with_name("main.py")
    typer.echo(f"Opening the app on http://{host}:{port}; Ctrl+C ends it.")
    cli.main(
        [
            "run",
            str(script),
            f"--server.port={port}",
            f"--server.address={host}",
            f"--server.headless={str(not browser).lower()}",
            *streamlit_flags(),
            "--",
            *options.words(),
        ],
        prog_name="distillora app",
    )


def _check_address(host: str, port: int) -> None:
    """Refuse an address that cannot be listened on, before anything starts.

    Raises:
        InputError: it is in use, or none of this machine.
    """
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            # as the server does, so that a port that was just let go of counts as free
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(
            f"The app cannot listen on {host}, port {port}: {reason}. "
            "Give another with --port, or another --host."
        ) from None
