"""Start the web app."""

from __future__ import annotations

from pathlib import Path

import distillora.app
from distillora.app.settings import Options, check_options, streamlit_flags
from distillora.network import check_address


def launch(options: Options, host: str, port: int, *, browser: bool) -> None:
    """Serve the app until it is interrupted.

    Args:
        options: what to show.
        host, port: where to listen.
        browser: open the app in a browser.

    Raises:
        InputError: the app cannot listen on this address.
        BundleError, RunFolderError, DataError: see ``check_options``.
    """
    check_options(options)
    check_address(host, port)
    from streamlit.web import cli

    script = Path(distillora.app.__file__).with_name("main.py")
    print(f"Opening the app at http://{host}:{port}. Press Ctrl+C to stop it.")
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
