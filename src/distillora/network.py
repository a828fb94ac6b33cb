"""Connections to the Hugging Face Hub, with Python's built-in exceptions.

``huggingface_hub`` lets the exceptions of its HTTP client through, and that client has changed
before (requests, httpx, httpx2). Only this module depends on which one it is.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from distillora.errors import InputError

TIMEOUT = 10  # seconds


@contextmanager
def connection_errors() -> Iterator[None]:
    """Raise a ``ConnectionError`` for a request without an answer.

    ``huggingface_hub.errors.HfHubHTTPError``, an answer with an error status, is not changed.
    ``OfflineModeIsEnabled`` is already a ``ConnectionError``.
    """
    from huggingface_hub.errors import HfHubHTTPError
    from huggingface_hub.utils import httpx  # type: ignore[attr-defined]  # in its __all__

    try:
        yield
    except Exception as error:
        chain = error_chain(error)
        failed = [one for one in chain if isinstance(one, httpx.HTTPError)]
        if not failed or any(isinstance(one, HfHubHTTPError) for one in chain):
            raise
        raise ConnectionError(str(failed[0]) or type(failed[0]).__name__) from error


def error_chain(error: BaseException) -> list[BaseException]:
    """Return an error followed by its causes and contexts, latest first."""
    chain: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in chain:
        chain.append(current)
        current = current.__cause__ or current.__context__
    return chain


def hub_answers() -> bool:
    """Whether the Hub gives any answer; see :func:`reach_hub`."""
    try:
        reach_hub()
    except ConnectionError:
        return False
    return True


def reach_hub() -> None:
    """Send the Hub one request; the libraries would keep trying for minutes.

    Raises:
        ConnectionError: no answer within ten seconds, or offline mode is on.
    """
    from huggingface_hub import constants, get_session

    with connection_errors():
        get_session().head(constants.ENDPOINT, timeout=TIMEOUT)


def check_address(host: str, port: int) -> None:
    """Refuse an address that cannot be listened on, before anything starts.

    Raises:
        InputError: it is in use, or not an address of this machine.
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
            f"Cannot listen on {host}, port {port}: {reason}. "
            "Choose another --port or another --host."
        ) from None
