"""The command ``app``, which opens the web app."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from distillora.api.packages import find_bundle, require
from distillora.cli.base import app as commands
from distillora.cli.base import say


@commands.command()
def app(
    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="BUNDLE|OWNER/NAME[@REVISION]",
            help="A bundle, in a folder or on the Hugging Face Hub. Repeat the option to compare "
            "several. By default the starter model.",
        ),
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Also show the arms and the report of this run."),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Draw examples from this data set. By default from the bundled sample.",
        ),
    ] = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8501,
    host: Annotated[
        str, typer.Option(help="Address to listen on. 0.0.0.0 accepts other machines.")
    ] = "127.0.0.1",
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the app in a browser.")
    ] = True,
) -> None:
    """Open the web app: classify texts and files, inspect errors, compare models."""
    require("app", "streamlit", "altair", "pandas", "pyarrow")
    from distillora.app.launch import launch
    from distillora.app.settings import Options

    folders = tuple(find_bundle(one, notify=say) for one in model or ())
    launch(Options(folders, run, data), host, port, browser=browser)
