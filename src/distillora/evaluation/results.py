"""The schema of ``results.json``: what a run measured, and where each number comes from.

The report is made from these models alone. A value that was not measured is ``None``, never a
placeholder number. Import the parts from here, wherever they are defined.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field

from distillora.data.audit import AuditRecord as AuditRecord
from distillora.data.extra_text import ExtraTextRecord as ExtraTextRecord
from distillora.errors import IntegrityError, RunFolderError
from distillora.evaluation.evidence import Evidence
from distillora.evaluation.origin import BUSY_CORES as BUSY_CORES
from distillora.evaluation.origin import ArmEnvironment as ArmEnvironment
from distillora.evaluation.origin import Environment as Environment
from distillora.evaluation.origin import EpochRecord as EpochRecord
from distillora.evaluation.origin import Fingerprint as Fingerprint
from distillora.evaluation.origin import LayerSearchRecord as LayerSearchRecord
from distillora.evaluation.origin import Measurement as Measurement
from distillora.evaluation.origin import TriedLayers as TriedLayers
from distillora.evaluation.origin import identify_model as identify_model
from distillora.evaluation.scores import LabelMetrics as LabelMetrics
from distillora.evaluation.scores import Ladder as Ladder
from distillora.evaluation.scores import Metrics as Metrics
from distillora.evaluation.scores import Record as Record
from distillora.evaluation.scores import Rung as Rung
from distillora.evaluation.scores import SplitMetrics as SplitMetrics
from distillora.evaluation.scores import TunedMetrics as TunedMetrics
from distillora.probabilities import TaskType as TaskType

SCHEMA_VERSION = 2


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
    extra_text: dict[str, ExtraTextRecord] = Field(default_factory=dict)


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
            RunFolderError: the file does not exist.
            IntegrityError: it is torn, or of another schema version.
        """
        if not path.is_file():
            raise RunFolderError(
                f"{path.parent} is not a finished run: it has no {path.name}. "
                "Give the `out` of a finished `distillora compare`."
            )
        try:
            return cls.model_validate_json(path.read_bytes())
        except (OSError, ValueError) as error:
            raise IntegrityError(
                f"{path} is not a results file of schema version {SCHEMA_VERSION}: {error}. "
                "Run `distillora compare` with the same `out` to make it again."
            ) from error
