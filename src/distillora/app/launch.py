"""Starting the web app."""

from __future__ import annotations

import socket
from pathlib import Path

import distillora.app
from distillora.app.settings import Options, check_options, streamlit_flags
from distillora.errors import InputError


def launch(options: Options, host: str, port: int, *, browser: bool) -> None:
    """Serve the app until it is interrupted.

    Args:
        options: what it shows.
        host, port: where it listens.
        browser: open it in a browser at once.

    Raises:
        InputError: the address cannot be listened on.
        BundleError, RunFolderError, DataError: see ``check_options``.
    """
    check_options(options)
    _check_address(host, port)
    from streamlit.web import cli

    script = Path(distillora.app.__file__).with_name("main.py")
    print(f"Opening the app on http://{host}:{port}; Ctrl+C ends it.")
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
