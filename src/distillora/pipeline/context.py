"""What every arm of a run is made with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy.typing as npt
from transformers import PreTrainedTokenizerFast

from distillora.artifacts import ArmLayout, RunLayout, write_atomic
from distillora.data.audit import AuditRecord, audit_dataset
from distillora.data.dataset import Dataset, Split
from distillora.data.extra_text import ExtraText, read_extra_text
from distillora.data.sources import drop_shared_texts, read_dataset
from distillora.data.stored import read_stored
from distillora.data.tokens import TokenizedSplit, load_or_tokenize, tokenize_texts
from distillora.errors import DataError
from distillora.evaluation.results import DataRecord, Environment
from distillora.models.backbones import load_classifier, load_tokenizer
from distillora.pipeline.arm_plan import ArmPlan
from distillora.pipeline.plan import RunPlan
from distillora.pipeline.tasks import Needs, Task
from distillora.probabilities import TaskType
from distillora.progress import Reporter
from distillora.recipe import Recipe, suit_recipe
from distillora.runtime import describe_environment, resolve_precision
from distillora.training.label_losses import unlabelled_targets

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True)
class RunContext:
    """What every arm of one seed is made with.

    ``environment`` describes this process as it was when it began.
    """

    plan: RunPlan
    data: PreparedData
    layout: RunLayout
    seed: int
    reporter: Reporter
    environment: Environment

    @property
    def plans(self) -> Mapping[str, ArmPlan]:
        """The arms that are trained, by name."""
        return self.plan.arms

    def needs(self, name: str) -> Needs:
        """Return what an arm needs at this seed."""
        return self.plan.tasks[Task(name, self.seed)]

    def folder(self, name: str, seed: int | None = None) -> ArmLayout:
        """Return the paths of an arm, at this seed if no other is given."""
        return self.layout.arm(name, self.seed if seed is None else seed)

    def at(self, seed: int, reporter: Reporter | None = None) -> RunContext:
        """Return the same for another seed."""
        return replace(self, seed=seed, reporter=reporter or self.reporter)


def open_context(plan: RunPlan, root: Path, reporter: Reporter, jobs: int = 1) -> RunContext:
    """Read the data that a run holds; the context is for the first seed.

    Raises:
        IntegrityError: the data is missing or damaged.
    """
    layout = RunLayout(root)
    dataset, extra = read_stored(layout.data)
    return prepare_context(plan, layout, dataset, extra, reporter, jobs)


def prepare_context(
    plan: RunPlan,
    layout: RunLayout,
    dataset: Dataset,
    extra: Mapping[Path, ExtraText],
    reporter: Reporter,
    jobs: int,
) -> RunContext:
    """Put a plan and its data together; ``jobs`` arms are trained at a time."""
    data = PreparedData(plan.task, plan.max_length, dataset, layout.tokens, extra)
    environment = describe_run_environment(plan, jobs)
    return RunContext(plan, data, layout, plan.seeds[0], reporter, environment)


def describe_run_environment(plan: RunPlan, jobs: int) -> Environment:
    """Describe what is about to compute: asked at the start, while the code is as it was loaded."""
    wanted = {resolve_precision(own.arm.training.precision) for own in plan.arms.values()}
    return Environment(**describe_environment(" and ".join(sorted(wanted))), jobs=jobs)


def load_arm(context: RunContext, name: str, seed: int | None = None) -> Any:
    """Load a finished arm's model from disk, of this seed if no other is given."""
    return load_classifier(
        str(context.folder(name, seed).model),
        None,
        context.data.dataset.label_names,
        multi_label=context.plan.multi_label,
    )


TokenizerName = tuple[str, str | None]


def read_data(recipe: Recipe, frame: DataFrame | None = None) -> tuple[Dataset, Dataset]:
    """Return the data as it was found and as it is used; ``frame`` holds it, if it is given."""
    found = read_dataset(recipe.data, frame)
    return found, drop_shared_texts(found) if recipe.data.drop_shared else found


def read_extra_texts(
    recipe: Recipe, dataset: Dataset, stored: Mapping[Path, ExtraText] = MappingProxyType({})
) -> dict[Path, ExtraText]:
    """Return the texts without labels that arms of the recipe name, by their path.

    Of a file that is gone, the copy that the run holds (``stored``) is taken.

    Raises:
        DataError: a file cannot be used; the message begins with ``arms.<name>``.
    """
    found: dict[Path, ExtraText] = {}
    for name, arm in recipe.arms.items():
        path = arm.objective.extra_text
        if path is not None and path in stored and not path.exists():
            found[path] = stored[path]
        elif path is not None and path not in found:
            try:
                found[path] = read_extra_text(path, dataset, recipe.data.limit)
            except DataError as error:
                raise DataError(f"arms.{name}.objective.extra_text: {error}") from error
    return found


def settle_recipe(recipe: Recipe, dataset: Dataset) -> tuple[Recipe, tuple[str, ...]]:
    """Return the recipe with what it leaves open chosen to suit the data, and that in words."""
    several = any(len(row) > 1 for split in dataset.splits.values() for row in split.labels)
    return suit_recipe(recipe, len(dataset.splits["train"]), multi_label=several)


@dataclass
class PreparedData:
    """The data of a run, in every form that a stage needs.

    A split goes by its name, texts without labels by the path of their file. Tokens are made when
    an arm first asks for them, once for each tokenizer.
    """

    task: TaskType
    max_length: int
    dataset: Dataset
    cache: Path
    extra: Mapping[Path, ExtraText] = field(default_factory=dict)
    _tokenizers: dict[TokenizerName, PreTrainedTokenizerFast] = field(default_factory=dict)
    _tokens: dict[tuple[TokenizerName, str | Path], TokenizedSplit] = field(default_factory=dict)

    @property
    def multi_label(self) -> bool:
        """Whether every label of a text counts."""
        return self.task == "multi_label"

    def tokenizer(self, name: TokenizerName) -> PreTrainedTokenizerFast:
        """Return a tokenizer by the name and revision of its model."""
        if name not in self._tokenizers:
            self._tokenizers[name] = load_tokenizer(*name)
        return self._tokenizers[name]

    def rows(self, split: str | Path) -> Split:
        """Return the texts of a split."""
        return self.extra[split].rows if isinstance(split, Path) else self.dataset.splits[split]

    def tokens(self, name: TokenizerName, split: str | Path) -> TokenizedSplit:
        """Return the tokens of a split, from the cache if they are there."""
        if (name, split) not in self._tokens:
            # no barrier here: the judging stage asks in the main process alone, and processes
            # that write the same tokens at once each put a whole file in place
            self._tokens[name, split] = load_or_tokenize(
                self.rows(split),
                self.tokenizer(name),
                self.max_length,
                self.cache,
            )
        return self._tokens[name, split]

    def targets(self, split: str | Path) -> npt.NDArray[Any]:
        """Return class numbers (rows,), or a multi-hot matrix (rows, labels)."""
        rows = self.rows(split)
        if isinstance(split, Path):
            return unlabelled_targets(len(rows), like=self.targets("train"))
        if self.multi_label:
            return rows.multi_hot(len(self.dataset.label_names))
        return rows.classes()


def audit_data(found: Dataset, tokenizer: PreTrainedTokenizerFast, max_length: int) -> AuditRecord:
    """Audit the data as it was found, token lengths before truncation included."""
    lengths = {
        name: tokenize_texts(split.texts, tokenizer, max_length).full_lengths
        for name, split in found.splits.items()
    }
    return audit_dataset(found, lengths, max_length)


def save_audit(layout: RunLayout, audit: AuditRecord) -> None:
    """Write the audit beside the results."""
    write_atomic(layout.audit, audit.model_dump_json(indent=1))


def describe_data(data: PreparedData, taxonomy: str, audit: AuditRecord) -> DataRecord:
    """Return what ``results.json`` says about the data."""
    dataset = data.dataset
    return DataRecord(
        source=dataset.source,
        task=data.task,
        taxonomy=taxonomy,
        labels=dataset.label_names,
        rows={name: len(split) for name, split in dataset.splits.items()},
        sha256={name: split.sha256 for name, split in dataset.splits.items()},
        dropped_from_train=dataset.dropped_from_train,
        audit=audit,
        extra_text={str(path): extra.record for path, extra in data.extra.items()},
    )
