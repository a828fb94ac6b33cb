"""What the service answers when it does not answer with a prediction."""

from __future__ import annotations

from typing import Literal

ErrorType = Literal[
    "Validation", "Tokenizer", "Overloaded", "Backend", "Unhealthy", "Unauthorized", "NotFound"
]


class ServiceError(Exception):
    """A request that gets an error for an answer.

    Args:
        status: the HTTP status.
        kind: ``error_type`` in the answer; the names are those of text-embeddings-inference.
        message: for the caller; never contains a text that was sent.
        headers: added to the answer.
    """

    def __init__(
        self, status: int, kind: ErrorType, message: str, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.message = message
        self.headers = headers or {}


def invalid(message: str) -> ServiceError:
    """Return the error for a request that can be parsed but not served."""
    return ServiceError(422, "Validation", message)


def overloaded(retry_after: int = 1) -> ServiceError:
    """Return the error for a request that does not fit into the queue.

    Args:
        retry_after: seconds after which to try again.
    """
    return ServiceError(
        429,
        "Overloaded",
        "Model is overloaded. Try again later.",
        {"Retry-After": str(retry_after)},
    )
