"""Requests that arrive one by one, classified together.

A batch is whatever waits at the moment when the model becomes free. So the wait adapts to the load
without a setting: a caller who is alone never waits, and under load a batch forms while the one
before it is computed.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from distillora.inference.classifier import TextClassifier, Tokens, TruncationDirection
from distillora.service.errors import ErrorType, ServiceError, overloaded
from distillora.service.prometheus import METRICS

_ROWS_AT_ONCE = 16
"""Rows of one run of the model: texts of a similar length, so that little is padding."""
_LEAST_CHARACTERS_PER_TOKEN = 2  # English has about four; only the size of a batch depends on it


@dataclass(frozen=True, slots=True)
class Scored:
    """The texts of one request, classified.

    Attributes:
        logits: shape (texts, labels).
        tokens: per text, as the model read it.
        queue_seconds, tokenization_seconds, inference_seconds: where the time went; the last two
            are those of the batch.
    """

    logits: npt.NDArray[np.float32]
    tokens: list[int]
    queue_seconds: float
    tokenization_seconds: float
    inference_seconds: float


@dataclass(slots=True)
class _Waiting:
    texts: list[str]
    truncate: bool
    direction: TruncationDirection
    answer: asyncio.Future[Scored]
    since: float = field(default_factory=time.perf_counter)

    def most_tokens(self, max_length: int) -> int:
        return sum(
            min(max_length, len(text) // _LEAST_CHARACTERS_PER_TOKEN + 2) for text in self.texts
        )


class Batcher:
    """Classifies the texts of many callers in batches, in a thread of its own.

    Args:
        classifier: what classifies.
        queue: texts that may wait or be in progress.
        batch_tokens: tokens per batch, at most; a single request may exceed it.
    """

    def __init__(self, classifier: TextClassifier, *, queue: int, batch_tokens: int) -> None:
        self.classifier = classifier
        self._queue = queue
        self._batch_tokens = batch_tokens
        self._waiting: deque[_Waiting] = deque()
        self._admitted = 0
        self._arrived = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="classify")
        self._task = asyncio.create_task(self._serve())

    async def score(
        self, texts: list[str], *, truncate: bool, direction: TruncationDirection
    ) -> Scored:
        """Classify the texts of one request.

        Raises:
            ServiceError: 429 if too many wait; 422 if a text is too long and ``truncate`` is
                false; 424 if the model fails.
        """
        if self._admitted + len(texts) > self._queue and self._admitted:
            raise overloaded()
        self._admitted += len(texts)
        METRICS.queue_size.set(self._admitted)
        entry = _Waiting(texts, truncate, direction, asyncio.get_running_loop().create_future())
        self._waiting.append(entry)
        self._arrived.set()
        try:
            return await entry.answer
        finally:
            self._admitted -= len(texts)
            METRICS.queue_size.set(self._admitted)

    async def close(self) -> None:
        """Answer what waits, then stop."""
        while self._admitted:
            await asyncio.sleep(0.005)
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        self._thread.shutdown()

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._arrived.wait()
            batch = self._take()
            if not batch:
                self._arrived.clear()
                continue
            answers = await loop.run_in_executor(self._thread, self._classify, batch)
            for entry, answer in zip(batch, answers, strict=True):
                if entry.answer.done():  # its caller has given up
                    continue
                if isinstance(answer, Scored):
                    entry.answer.set_result(answer)
                else:
                    entry.answer.set_exception(answer)

    def _take(self) -> list[_Waiting]:
        """Take what fits into a batch, in the order of arrival."""
        batch: list[_Waiting] = []
        room = self._batch_tokens
        while self._waiting:
            entry = self._waiting[0]
            if entry.answer.done():
                self._waiting.popleft()
                continue
            room -= entry.most_tokens(self.classifier.max_length)
            if batch and room < 0:
                break
            batch.append(self._waiting.popleft())
        return batch

    def _classify(self, batch: Sequence[_Waiting]) -> list[Scored | Exception]:
        """Classify a batch; one request's error stays its own."""
        begun = time.perf_counter()
        try:
            tokens = [self._tokenize(entry) for entry in batch]
        except Exception as error:
            return [_failure("Tokenizer", 422, error) for _ in batch]
        tokenized = time.perf_counter()
        fitting = [own for own in tokens if isinstance(own, Tokens)]
        rows = [row for own in fitting for row in own.ids]
        METRICS.batch_size.observe(len(rows))
        METRICS.batch_tokens.observe(sum(map(len, rows)))
        try:
            logits = self.classifier.score_tokens(rows, batch_size=_ROWS_AT_ONCE)
        except Exception as error:
            return [_failure("Backend", 424, error) for _ in batch]
        ended = time.perf_counter()
        answers: list[Scored | Exception] = []
        at = 0
        for entry, own in zip(batch, tokens, strict=True):
            if isinstance(own, ServiceError):
                answers.append(own)
                continue
            size = len(entry.texts)
            answers.append(
                Scored(
                    logits[at : at + size],
                    [len(row) for row in own.ids],
                    queue_seconds=begun - entry.since,
                    tokenization_seconds=tokenized - begun,
                    inference_seconds=ended - tokenized,
                )
            )
            at += size
        return answers

    def _tokenize(self, entry: _Waiting) -> Tokens | ServiceError:
        tokens = self.classifier.tokenize(entry.texts, direction=entry.direction)
        longest = max(tokens.lengths)
        if longest > self.classifier.max_length and not entry.truncate:
            return ServiceError(
                422,
                "Validation",
                f"`inputs` must have at most {self.classifier.max_length} tokens. "
                f"Given: {longest}. Set `truncate` to cut longer texts.",
            )
        return tokens


def _failure(kind: ErrorType, status: int, error: Exception) -> ServiceError:
    # the message of a library may quote the text
    what = "The tokenizer" if kind == "Tokenizer" else "The model"
    return ServiceError(status, kind, f"{what} failed: {type(error).__name__}.")
