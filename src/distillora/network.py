"""Whether the Hugging Face Hub answers, in exceptions of Python's own.

``huggingface_hub`` passes on what its HTTP client raises, and which client that is has changed
before (requests, httpx, httpx2). Only this module knows.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from distillora.errors import InputError

TIMEOUT = 10  # seconds


@contextmanager
def connection_errors() -> Iterator[None]:
    """Turn a request that got no answer into a ``ConnectionError``.

    An answer that is an error stays ``huggingface_hub.errors.HfHubHTTPError``.
    ``OfflineModeIsEnabled`` is a ``ConnectionError`` already.
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
    """Return an error and what it was raised from or while handling, the latest first."""
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
    """Ask the Hub for any answer, once: the libraries would go on trying for minutes.

    Raises:
        ConnectionError: there is none within ten seconds, or offline mode is on.
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
