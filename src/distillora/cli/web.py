"""The command that opens the app in the browser."""

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
    from distillora.app.launch import launch
    from distillora.app.settings import Options

    folders = tuple(find_bundle(one, notify=say) for one in model or ())
    launch(Options(folders, run, data), host, port, browser=browser)
