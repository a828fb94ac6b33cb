"""The schema of ``results.json``: what a run measured, and where each number comes from.

The report is made from these models alone.
A value that was not measured is ``None``, never a placeholder number.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict

from distillora.data.audit import AuditRecord as AuditRecord
from distillora.data.extra_text import ExtraTextRecord as ExtraTextRecord
from distillora.errors import IntegrityError, RunFolderError
from distillora.evaluation.evidence import Evidence

SCHEMA_VERSION = 2

BUSY_CORES = 0.25
"""Cores used by other processes above which a time says more about them than about an arm."""

TaskType = Literal["single_label", "multi_label"]


class Record(BaseModel):
    """A frozen part of the results; unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class LabelMetrics(Record):
    """One label against the rest: precision, recall and F1 in [0, 1], support in rows."""

    label: str
    support: int
    precision: float
    recall: float
    f1: float


class TunedMetrics(Record):
    """The multi-label metrics at thresholds that were tuned per label on validation."""

    accuracy: float
    f1_weighted: float
    f1_macro: float
    f1_micro: float
    hamming_loss: float
    per_label: tuple[LabelMetrics, ...]


class Rung(Record):
    """What one way of setting thresholds gives on the test split."""

    accuracy: float
    f1_weighted: float
    f1_macro: float
    f1_micro: float


class Ladder(Record):
    """Multi-label figures on test by how thresholds were set.

    Attributes:
        fixed: 0.5 for every label.
        one: one threshold for all labels, tuned on validation.
        exact: the best threshold of each label on validation.
        tuned: the same, smoothed and shrunk; the thresholds that ship.
        oracle: the best threshold of each label on test: no result, but how much there is to win.
    """

    fixed: Rung
    one: Rung
    exact: Rung
    tuned: Rung
    oracle: Rung


class SplitMetrics(Record):
    """The quality of one arm on one split.

    Attributes:
        rows: how many texts were scored.
        loss: mean cross-entropy (single-label) or binary cross-entropy (multi-label), in nats.
        accuracy: share of rows whose class is right; multi-label: whose label set is exactly
            right (the same number as ``subset_accuracy``), at a threshold of 0.5.
        accuracy_any_label: single-label only: share of rows whose predicted class is any of the
            row's labels, where the data has rows with several; else None.
        f1_weighted: F1 averaged over labels by support.
        f1_macro: F1 averaged over labels, each counting the same.
        f1_micro, subset_accuracy, hamming_loss, average_precision: multi-label only;
            ``average_precision`` is the mean over the labels that occur.
        per_label: one entry a label, in label order.
        tuned: multi-label only: the same at per-label thresholds from validation.
        calibration_error, uncalibrated_error: expected calibration error in [0, 1] after and
            before the logits were divided by the arm's temperature; None in older results.
    """

    rows: int
    loss: float
    accuracy: float
    accuracy_any_label: float | None = None
    f1_weighted: float
    f1_macro: float
    f1_micro: float | None = None
    subset_accuracy: float | None = None
    hamming_loss: float | None = None
    average_precision: float | None = None
    per_label: tuple[LabelMetrics, ...]
    tuned: TunedMetrics | None = None
    calibration_error: float | None = None
    uncalibrated_error: float | None = None


class Metrics(Record):
    """Both evaluated splits; every choice was made on ``validation``."""

    validation: SplitMetrics
    test: SplitMetrics


class Parameters(Record):
    """Parameter counts: those that training changed, and all."""

    trainable: int
    total: int


class Cost(Record):
    """What an arm costs to make, to keep and to run.

    Attributes:
        model_bytes: size of the weights that ship (merged, safetensors).
        adapter_bytes: size of the adapter alone; None for arms without one.
        training_seconds: wall time of this arm's own training, evaluation of each epoch included.
        teacher_seconds: wall time of the teacher's training and of its cached outputs on which
            this arm depends; None for an arm without a teacher. Not part of ``training_seconds``.
            For an ensemble, what its members and all that they depend on took.
        examples_per_second: training examples per second of training steps.
        peak_memory_bytes: peak resident memory of the process during training (device memory
            on a GPU).
        shape: what latency and throughput depend on, in words: architecture, depth, width,
            vocabulary. Arms of one shape share one measurement. None for an ensemble.
        latency_ms: median time for one text, tokens (a baseline: text) to logits, batch of one;
            None until it is measured.
        throughput: texts per second over the test split (over 1,024 texts of a larger one), in
            batches sorted by length; None until it is measured.
        device: the hardware of latency and throughput.
    """

    model_bytes: int
    adapter_bytes: int | None = None
    training_seconds: float
    teacher_seconds: float | None = None
    examples_per_second: float | None = None
    peak_memory_bytes: int | None = None
    shape: str | None = None
    latency_ms: float | None = None
    throughput: float | None = None
    device: str | None = None


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
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


def identify_model(weights: str, config: str | None) -> str:
    """Return the hash by which a model is known to what is made from it.

    Args:
        weights: hash of its weights, which for a trained model settles the rest.
        config: hash of its configuration, for one that was taken as it was; else None.
    """
    if config is None:
        return weights
    return hashlib.sha256(f"{weights}\n{config}".encode()).hexdigest()


class ArmResult(Record):
    """One arm at one seed.

    Attributes:
        name, seed: which arm of the recipe, made with which seed.
        init, tuning, objective: one line each, in words.
        architecture: the class of the model that ships, e.g. ``BertForSequenceClassification``.
        teachers: the arms whose outputs this one learnt from.
        teacher_seeds: the seeds of those teachers that this one learnt from.
        teacher_precision: what their outputs were computed in (``bf16``, ``fp32``); None without
            a teacher, and in results from before schema version 2.
        members: for an ensemble, the models whose logits it averages, as ``arm, seed n``.
        layers: indices (from 0) of the layers that it kept of the model that it started from;
            empty for a baseline and for an ensemble.
        search: how a search found them; None in any run that is not recorded.
        best_epoch: the epoch whose weights were kept, chosen on validation by ``best_metric``
            (empty for an ensemble).
        temperature: what to divide the logits by for calibrated probabilities, from validation;
            None in older results.
        thresholds: per-label thresholds on these probabilities, from validation (multi-label
            only), in label order.
        threshold_method: how they were set, chosen by cross-validation within the validation
            split: ``exact``, ``smoothed`` or ``shrunk`` (multi-label only); None in results from
            before schema version 2, which are all ``shrunk``.
        ladder: what other ways of setting thresholds give (multi-label only); None in older
            results.
        confusions: test rows by first label (a row each) and most probable label (a column each),
            shape (labels, labels); None in older results.
        predictions: path of ``predictions.parquet`` relative to the run folder.
        predictions_sha256: hash of that file; None in results from before it was recorded.
        evaluation_code: version of the evaluation code that scored the arm; None in results from
            before it was recorded.
        config_sha256: hash of the configuration of a model that was taken as it was: equal
            weights compute something else with, say, another number of attention heads.
        weights_sha256: hash of the weights that were evaluated; for an ensemble, of the hashes of
            its members.
        fingerprint: what these weights depend on; None for an ensemble, whose ``weights_sha256``
            stands for its members, and in results from before schema version 2.
        environment: what trained this arm, and when; None for an ensemble, and in results from
            before schema version 2.
    """

    name: str
    seed: int
    init: str
    tuning: str
    objective: str
    architecture: str
    teachers: tuple[str, ...] = ()
    teacher_seeds: tuple[int, ...] = ()
    teacher_precision: str | None = None
    members: tuple[str, ...] = ()
    layers: tuple[int, ...]
    search: LayerSearchRecord | None = None
    parameters: Parameters
    best_epoch: int
    best_metric: str
    metrics: Metrics
    temperature: float | None = None
    thresholds: tuple[float, ...] | None = None
    threshold_method: Literal["exact", "smoothed", "shrunk"] | None = None
    ladder: Ladder | None = None
    cost: Cost
    history: tuple[EpochRecord, ...]
    confusions: tuple[tuple[int, ...], ...] | None = None
    predictions: str
    predictions_sha256: str | None = None
    evaluation_code: int | None = None
    config_sha256: str | None = None
    weights_sha256: str
    fingerprint: Fingerprint | None = None
    environment: ArmEnvironment | None = None

    @property
    def identity(self) -> str:
        """The hash by which what is made from this model knows it."""
        return identify_model(self.weights_sha256, self.config_sha256)

    @property
    def is_encoder(self) -> bool:
        """Whether it is a transformer; baselines and ensembles have no layers, and cannot ship."""
        return bool(self.layers)

    @property
    def is_ensemble(self) -> bool:
        """Whether it only averages the logits of other arms."""
        return bool(self.members)

    @property
    def is_baseline(self) -> bool:
        """Whether it is a model without an encoder, which is there to be beaten."""
        return not self.is_encoder and not self.is_ensemble


class DataRecord(Record):
    """Which data the run used.

    ``sha256`` maps each split to a hash of its rows as they were used.
    ``dropped_from_train`` counts the rows left out because their text is evaluated too.
    ``extra_text`` maps the path of each file of texts without labels to what was used of it.
    """

    source: str
    task: TaskType
    taxonomy: str
    labels: tuple[str, ...]
    rows: dict[str, int]
    sha256: dict[str, str]
    dropped_from_train: int
    audit: AuditRecord
    extra_text: dict[str, ExtraTextRecord] = {}


class Results(Record):
    """All of ``results.json``.

    ``environment`` is that of the command that put the results together; each arm has its own.
    ``measurement`` says how latency and throughput were measured; None in results from before
    schema version 2.
    ``evidence`` holds the intervals and tests of all comparisons; None in older results.
    """

    schema_version: Literal[2] = 2
    recipe: dict[str, Any]
    data: DataRecord
    environment: Environment
    measurement: Measurement | None = None
    arms: tuple[ArmResult, ...]
    evidence: Evidence | None = None

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read and validate a results file.

        Raises:
            RunFolderError: there is no such file.
            IntegrityError: it is torn, or of another schema version.
        """
        if not path.is_file():
            raise RunFolderError(
                f"{path.parent} holds no finished run: there is no {path.name}. "
                "Give the `out` of a finished `distillora compare`."
            )
        try:
            return cls.model_validate_json(path.read_bytes())
        except (OSError, ValueError) as error:
            raise IntegrityError(
                f"{path} is not a results file of schema version {SCHEMA_VERSION}: {error}. "
                "Run `distillora compare` with the same `out` to make it again."
            ) from error
