"""The first stage: texts, their audit, their tokens and targets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy.typing as npt
from transformers import PreTrainedTokenizerFast

from distillora.artifacts import RunLayout, write_atomic
from distillora.data.audit import AuditRecord, audit_corpus
from distillora.data.corpus import Corpus, Split
from distillora.data.extra_text import ExtraText, read_extra_text
from distillora.data.sources import drop_shared_texts, read_corpus
from distillora.data.tokens import TokenizedSplit, load_or_tokenize, tokenize_texts
from distillora.errors import DataError
from distillora.evaluation.results import DataRecord
from distillora.models.backbones import load_tokenizer
from distillora.recipe import Recipe, suit_recipe
from distillora.training.label_losses import unlabelled_targets

TokenizerName = tuple[str, str | None]


def read_data(recipe: Recipe) -> tuple[Corpus, Corpus]:
    """Return the data as it was found and as it is used."""
    found = read_corpus(recipe.data)
    return found, drop_shared_texts(found) if recipe.data.drop_shared else found


def read_extra_texts(
    recipe: Recipe, corpus: Corpus, stored: Mapping[Path, ExtraText] = MappingProxyType({})
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
                found[path] = read_extra_text(path, corpus, recipe.data.limit)
            except DataError as error:
                raise DataError(f"arms.{name}.objective.extra_text: {error}") from error
    return found


def settle_recipe(recipe: Recipe, corpus: Corpus) -> tuple[Recipe, tuple[str, ...]]:
    """Return the recipe with what it leaves open chosen to suit the data, and that in words."""
    several = any(len(row) > 1 for split in corpus.splits.values() for row in split.labels)
    return suit_recipe(recipe, len(corpus.splits["train"]), multi_label=several)


@dataclass
class PreparedData:
    """The data of a run, in every form that a stage needs.

    A split goes by its name, texts without labels by the path of their file. Tokens are made when
    an arm first asks for them, once for each tokenizer.
    """

    recipe: Recipe
    corpus: Corpus
    cache: Path
    extra: Mapping[Path, ExtraText] = field(default_factory=dict)
    _tokenizers: dict[TokenizerName, PreTrainedTokenizerFast] = field(default_factory=dict)
    _tokens: dict[tuple[TokenizerName, str | Path], TokenizedSplit] = field(default_factory=dict)

    def tokenizer(self, name: TokenizerName) -> PreTrainedTokenizerFast:
        """Return a tokenizer by the name and revision of its model."""
        if name not in self._tokenizers:
            self._tokenizers[name] = load_tokenizer(*name)
        return self._tokenizers[name]

    def rows(self, split: str | Path) -> Split:
        """Return the texts of a split."""
        return self.extra[split].rows if isinstance(split, Path) else self.corpus.splits[split]

    def tokens(self, name: TokenizerName, split: str | Path) -> TokenizedSplit:
        """Return the tokens of a split, from the cache if they are there."""
        if (name, split) not in self._tokens:
            # no barrier here: the judging stage asks in the main process alone, and processes
            # that write the same tokens at once each put a whole file in place
            self._tokens[name, split] = load_or_tokenize(
                self.rows(split),
                self.tokenizer(name),
                self.recipe.data.max_length,
                self.cache,
            )
        return self._tokens[name, split]

    def targets(self, split: str | Path) -> npt.NDArray[Any]:
        """Return class numbers (rows,), or a multi-hot matrix (rows, labels)."""
        rows = self.rows(split)
        if isinstance(split, Path):
            return unlabelled_targets(len(rows), like=self.targets("train"))
        if self.recipe.multi_label:
            return rows.multi_hot(len(self.corpus.label_names))
        return rows.classes()


def audit_data(found: Corpus, tokenizer: PreTrainedTokenizerFast, max_length: int) -> AuditRecord:
    """Audit the data as it was found, token lengths before truncation included."""
    lengths = {
        name: tokenize_texts(split.texts, tokenizer, max_length).full_lengths
        for name, split in found.splits.items()
    }
    return audit_corpus(found, lengths, max_length)


def save_audit(layout: RunLayout, audit: AuditRecord) -> None:
    """Write the audit beside the results."""
    write_atomic(layout.audit, audit.model_dump_json(indent=1))


def describe_data(data: PreparedData, audit: AuditRecord) -> DataRecord:
    """Return what ``results.json`` says about the data."""
    recipe, corpus = data.recipe, data.corpus
    return DataRecord(
        source=corpus.source,
        task=recipe.task,
        taxonomy=recipe.data.taxonomy,
        labels=corpus.label_names,
        rows={name: len(split) for name, split in corpus.splits.items()},
        sha256={name: split.sha256 for name, split in corpus.splits.items()},
        dropped_from_train=corpus.dropped_from_train,
        audit=audit,
        extra_text={str(path): extra.record for path, extra in data.extra.items()},
    )
