"""The settings of the service, and how a worker process receives them."""

from __future__ import annotations

import hashlib
import hmac
import os
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field

from distillora.errors import InputError

SETTINGS_VARIABLE = "DISTILLORA_SERVICE_SETTINGS"
KEYS_VARIABLE = "DISTILLORA_API_KEYS"

Positive = Annotated[int, Field(gt=0)]
Seconds = Annotated[float, Field(gt=0)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Limits(_Part):
    """What a caller may ask for.

    Attributes:
        body_bytes: of a request's body; more is answered with 413.
        inputs: texts per request; more is answered with 422.
        characters: per text; more is answered with 422.
        queue: texts that wait or are being classified; beyond that, 429.
        batch_tokens: tokens that the model reads at once.
        deadline: seconds from the request's last byte to the answer; after that, 503.
        client: seconds that a client may take to send the headers, and again the body; then the
            connection is closed (headers) or answered with 408 (body).
        keep_alive: seconds that an idle connection stays open.
        connections: open at the same time, per worker; further ones are closed.
        header_bytes: of a request's headers; with more, the connection is closed.
        shutdown: seconds that the requests in progress have after SIGTERM.
    """

    body_bytes: Positive = 2_000_000
    inputs: Positive = 32
    characters: Positive = 100_000
    queue: Positive = 512
    batch_tokens: Positive = 16_384
    deadline: Seconds = 10.0
    client: Seconds = 10.0
    keep_alive: Seconds = 75.0
    connections: Positive = 1024
    header_bytes: Positive = 32_768
    shutdown: Seconds = 30.0


class ServiceSettings(_Part):
    """How the service runs.

    Attributes:
        models: name to the folder of a bundle; the first one answers where no name is given.
        threads: of onnxruntime, in each worker.
        limits: see there.
        key_hashes: SHA-256 of each API key, in hex; without any, no key is needed.
        origins: web origins that browsers may call from; ``*`` is any.
        log: whether to write a line for each request.
    """

    models: dict[str, Path] = Field(min_length=1)
    threads: Positive
    limits: Limits = Limits()
    key_hashes: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    log: bool = True

    def to_environment(self) -> None:
        """Put the settings where worker processes find them; keys as hashes only."""
        os.environ[SETTINGS_VARIABLE] = self.model_dump_json()

    @classmethod
    def from_environment(cls) -> Self:
        """Read what ``to_environment`` wrote."""
        return cls.model_validate_json(os.environ[SETTINGS_VARIABLE])

    def accepts(self, key: str) -> bool:
        """Whether a caller with this key is let in; takes the same time for every wrong key."""
        found = False
        for known in self.key_hashes:
            found |= hmac.compare_digest(hash_key(key), known)
        return found


def hash_key(key: str) -> str:
    """Return the SHA-256 of an API key, in hex."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


def read_keys(file: Path | None) -> tuple[str, ...]:
    """Return the hashes of the API keys in a file, one a line, or else in the environment.

    The environment variable is ``DISTILLORA_API_KEYS``, with commas between keys. Blank lines and
    lines that begin with # do not count.

    Raises:
        InputError: the file cannot be read, or has no key; a key is shorter than 16 characters.
    """
    if file is None:
        keys = [key.strip() for key in os.environ.get(KEYS_VARIABLE, "").split(",")]
    else:
        try:
            lines = file.read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"The API keys in {file} cannot be read: {error}.") from error
        keys = [line.strip() for line in lines if not line.lstrip().startswith("#")]
    keys = [key for key in keys if key]
    if file is not None and not keys:
        raise InputError(f"{file} contains no API key.")
    if any(len(key) < 16 for key in keys):
        raise InputError(
            "An API key must have 16 characters or more. Make one: "
            "python -c 'import secrets; print(secrets.token_urlsafe(32))'"
        )
    return tuple(dict.fromkeys(map(hash_key, keys)))
