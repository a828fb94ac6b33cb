"""The part of ``results.json`` about origin: what made an arm, from what, and how it went."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from distillora.evaluation.scores import Record

BUSY_CORES = 0.25
"""If other processes use more cores than this, a time is not comparable."""


class Environment(Record):
    """Versions, hardware and code that produced the numbers.

    ``processes`` train one arm together, ``jobs`` arms are made at a time.
    """

    distillora: str
    python: str
    platform: str
    processor: str
    cores: int
    memory_bytes: int
    device: str
    precision: str
    processes: int
    jobs: int = 1
    packages: dict[str, str]
    commit: str | None = None
    dirty: bool | None = None
    created: str


class ArmEnvironment(Environment):
    """What trained one arm.

    ``created`` is when its training began.

    Attributes:
        threads: of each process.
        ended: when its training ended.
        other_load: processor cores that other processes used meanwhile, on average; None where
            that is not known.
        begun_at_commit: where training went on after an interruption with other code, the commit
            that it had begun with.
    """

    threads: int
    ended: str
    other_load: float | None = None
    begun_at_commit: str | None = None

    @property
    def comparable_time(self) -> bool:
        """Whether training is known to have had the machine to itself, so its time compares."""
        return self.jobs == 1 and self.other_load is not None and self.other_load <= BUSY_CORES


class Measurement(Record):
    """How latency and throughput of a run's arms were measured, in one stage of their own.

    Attributes:
        created: when.
        distillora, commit, dirty: the code that measured.
        device, processor, threads: the hardware, and how many threads it used.
        rounds: each shape was measured once in each round, in turns.
        other_load: processor cores that other processes used meanwhile, on average.
        busy: whether that was more than ``BUSY_CORES``: then the figures are too high.
        test_sha256: hash of the test split whose texts were timed.
    """

    created: str
    distillora: str
    commit: str | None
    dirty: bool | None
    device: str
    processor: str
    threads: int
    rounds: int
    other_load: float
    busy: bool
    test_sha256: str | None = None


class EpochRecord(Record):
    """One epoch: mean training loss (the arm's objective) and the validation metrics after it."""

    epoch: int
    train_loss: float
    validation_loss: float
    accuracy: float
    f1_weighted: float
    f1_macro: float
    seconds: float


class TriedLayers(Record):
    """One choice of layers that a search measured, with its loss on validation."""

    layers: tuple[int, ...]
    loss: float


class LayerSearchRecord(Record):
    """How a search found layers: every choice in order, and the seconds it took.

    Only recorded runs have one: searching was removed after commit bd36da9.
    """

    tried: tuple[TriedLayers, ...]
    seconds: float


class Fingerprint(Record):
    """Everything that the weights of one arm at one seed depend on.

    Attributes:
        code: version of the training code: it rises when the same inputs give other weights.
        settings: the arm's resolved settings by their path (``training.learning_rate``), without
            those that do not change the weights.
        seed: of initialisation, dropout and batch order.
        data: by the name of each split as used, and the path of each file of extra texts, the
            SHA-256 of its rows. ``test`` changes the arm's figures, not its weights.
        labels: SHA-256 of task and label names, in order.
        tokenizer: SHA-256 of what the tokenizer does to a text; None for a baseline.
        max_length: tokens per text at most.
        backbone: SHA-256 of the files that a pretrained start is loaded from; None without one.
        parents: SHA-256 of the weights of each arm that this one starts from or learns from, by
            ``arm, seed n``.
    """

    code: int
    settings: dict[str, Any]
    seed: int
    data: dict[str, str]
    labels: str
    tokenizer: str | None
    max_length: int
    backbone: str | None
    parents: dict[str, str]

    @property
    def digest(self) -> str:
        """SHA-256 of all of it, as 64 hex digits."""
        return _digest(self.model_dump(mode="json"))

    @property
    def weights_digest(self) -> str:
        """SHA-256 of what the weights depend on: all but the test split."""
        content = self.model_dump(mode="json")
        content["data"].pop("test", None)
        return _digest(content)


def _digest(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def identify_model(weights: str, config: str | None) -> str:
    """Return the hash by which a model is known to what is made from it.

    Args:
        weights: hash of its weights, which for a trained model settles the rest.
        config: hash of its configuration, for one that was taken as it was; else None.
    """
    if config is None:
        return weights
    return hashlib.sha256(f"{weights}\n{config}".encode()).hexdigest()
