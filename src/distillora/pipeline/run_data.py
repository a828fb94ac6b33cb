"""The data of a run: read from its source or the run's copy, and in the forms that stages need."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy.typing as npt
from transformers import PreTrainedTokenizerFast

from distillora.artifacts import RunLayout, write_atomic
from distillora.data.audit import AuditRecord, audit_dataset
from distillora.data.dataset import Dataset, Split
from distillora.data.extra_text import ExtraText, read_extra_text
from distillora.data.sources import drop_shared_texts, read_dataset
from distillora.data.stored import is_stored, read_stored
from distillora.data.tokens import TokenizedSplit, load_or_tokenize, tokenize_texts
from distillora.errors import DataError, OfflineError, RecipeError
from distillora.evaluation.results import DataRecord
from distillora.models.backbones import load_tokenizer
from distillora.probabilities import TaskType
from distillora.recipe import Data, Recipe, load_recipe, suit_recipe
from distillora.training.label_losses import unlabelled_targets

if TYPE_CHECKING:
    from pandas import DataFrame

TokenizerName = tuple[str, str | None]
"""Name and revision of the model that a tokenizer comes with."""


class RunSource(NamedTuple):
    """The data of a run, and its recipe with open settings chosen to suit the data.

    Attributes:
        recipe: complete.
        chosen: what was chosen, in words.
        found: the data as it was found; None if it was read from the run.
        dataset: the data as it is used.
        extra: the texts without labels, by the path of their file.
    """

    recipe: Recipe
    chosen: tuple[str, ...]
    found: Dataset | None
    dataset: Dataset
    extra: Mapping[Path, ExtraText]


def read_source(
    recipe: Recipe,
    layout: RunLayout,
    warn: Callable[[str], None],
    frame: DataFrame | None = None,
) -> RunSource:
    """Read the data of a recipe; if its source is gone, from the copy in the run.

    Args:
        recipe: what to make.
        layout: of the run, which need not exist.
        warn: is called with a line about each copy that is used.
        frame: the rows, if the recipe's source is ``dataframe``; else the run's copy is used.

    Raises:
        DataError, InputError: the data cannot be used.
        OfflineError: the Hub cannot be reached, and the run has no copy.
    """
    found, dataset, stored = _read_dataset(recipe, layout, warn, frame)
    settled, chosen = settle_recipe(recipe, dataset)
    extra = read_extra_texts(settled, dataset, stored)
    return RunSource(settled, chosen, found, dataset, extra)


def _read_dataset(
    recipe: Recipe, layout: RunLayout, warn: Callable[[str], None], frame: DataFrame | None
) -> tuple[Dataset | None, Dataset, Mapping[Path, ExtraText]]:
    """Return the data as found (None: from the run) and as used, and copies of extra texts."""
    has_copy = _has_copy(recipe, layout)
    if has_copy and recipe.data.source == "dataframe" and frame is None:
        return None, *read_stored(layout.data)
    if has_copy and (gone := _find_gone(_paths_of(recipe.data))):
        warn(_use_copy(f"{gone} no longer exists.", layout))
        return None, *read_stored(layout.data)
    try:
        found, dataset = read_data(recipe, frame)
    except OfflineError as error:
        if not has_copy:
            raise
        warn(_use_copy(str(error), layout))
        return None, *read_stored(layout.data)
    gone = _find_gone(arm.objective.extra_text for arm in recipe.arms.values())
    if not has_copy or not gone:
        return found, dataset, {}
    before, extra = read_stored(layout.data)
    # beside other rows the copy could hold texts that are tested on now
    if before != dataset or gone not in extra:
        return found, dataset, {}
    warn(_use_copy(f"{gone} no longer exists.", layout))
    return found, dataset, extra


def _use_copy(reason: str, layout: RunLayout) -> str:
    return f"{reason} The run continues with its own copy of the data, in {layout.data}."


def _has_copy(recipe: Recipe, layout: RunLayout) -> bool:
    """Whether the run holds the data that this recipe reads, by the recipe's settings."""
    if not is_stored(layout.data) or not layout.recipe.is_file():
        return False
    try:
        return load_recipe(str(layout.recipe)).data == recipe.data
    except RecipeError:  # of another version
        return False


def _paths_of(data: Data) -> tuple[Path | None, ...]:
    return data.path, data.validation_path, data.test_path


def _find_gone(paths: Iterable[Path | None]) -> Path | None:
    """Return the first path at which there is nothing."""
    return next((path for path in paths if path is not None and not path.exists()), None)


def read_data(recipe: Recipe, frame: DataFrame | None = None) -> tuple[Dataset, Dataset]:
    """Return the data as found and as used, read from ``frame`` if it is given."""
    found = read_dataset(recipe.data, frame)
    return found, drop_shared_texts(found) if recipe.data.drop_shared else found


def read_extra_texts(
    recipe: Recipe, dataset: Dataset, stored: Mapping[Path, ExtraText] = MappingProxyType({})
) -> dict[Path, ExtraText]:
    """Return the texts without labels that arms of the recipe name, by their path.

    For a file that is gone, the run's copy (``stored``) is used.

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
    """Return the recipe with open settings chosen to suit the data, and those choices in words."""
    several = any(len(row) > 1 for split in dataset.splits.values() for row in split.labels)
    return suit_recipe(recipe, len(dataset.splits["train"]), multi_label=several)


@dataclass
class PreparedData:
    """The data of a run, in every form that a stage needs.

    Splits are looked up by name, texts without labels by the path of their file. Texts are
    tokenized on first use, once for each tokenizer.
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
            # no barrier: evaluation runs in the main process alone, and processes that write the
            # same tokens at once each put a whole file in place
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
    """Audit the data as it was found, with token lengths before truncation."""
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
