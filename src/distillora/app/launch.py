"""Start the web app."""

from __future__ import annotations

import socket
from pathlib import Path

import distillora.app
from distillora.app.settings import Options, check_options, streamlit_flags
from distillora.errors import InputError


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
    _check_address(host, port)
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


def _check_address(host: str, port: int) -> None:
    """Check that the app can listen on an address, before anything starts.

    Raises:
        InputError: the address is in use, or not one of this machine.
    """
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            # like the server, so that a port that was just released counts as free
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(
            f"The app cannot listen on {host}, port {port}: {reason}. "
            "Give another --port or --host."
        ) from None
