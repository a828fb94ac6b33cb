"""``compare``, which trains and compares arms, and its dry runs ``preview`` and ``audit``."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from distillora.api.choice import Place, RecipeLike, choose_recipe, run_folder
from distillora.api.packages import require_training
from distillora.api.results import Results
from distillora.errors import DistilloraError, InputError
from distillora.progress import Reporter, ignore_known_warnings
from distillora.readers.columnar import is_dataframe

if TYPE_CHECKING:
    from rich.console import RenderableType

    from distillora.data.audit import AuditRecord

Task = Literal["single_label", "multi_label"]

# setting, as messages name it -> argument
_ARGUMENTS = {
    **{"data": "`source`", "text_column": "`text`", "label_column": "`label`"},
    **{"split_column": "`split`"},
    "data.drop_incomplete: true": '`settings={"data.drop_incomplete": True}`',
    "data.source: sample": '`source="sample"`',
}


def compare(
    source: Place | RecipeLike | None = None,
    *,
    recipe: RecipeLike | None = None,
    text: str | None = None,
    label: str | None = None,
    label_separator: str | None = None,
    split: str | None = None,
    task: Task | None = None,
    seeds: int | Sequence[int] | None = None,
    out: str | Path | None = None,
    jobs: int = 1,
    settings: Mapping[str, Any] = MappingProxyType({}),
    retrain_changed: bool = False,
    progress: bool = True,
) -> Results:
    """Train every arm of a recipe, evaluate and compare them, and write the report.

    >>> import distillora as dl
    >>> results = dl.compare("tickets.csv", text="text", label="label", out="runs/tickets")
    >>> results.recommended.name
    'odd'

    After an interruption, call it again: it continues where it stopped. Arms that were trained on
    other data or settings are not reused: it raises an error that says what changed.

    Args:
        source: the data: a table (.csv, .tsv, .jsonl, .parquet), a folder with one table per
            split, ``owner/name`` of a data set on the Hub, ``hub`` (GoEmotions), ``sample`` (the
            bundled sample), or a pandas DataFrame, of which the run keeps a copy. Or a recipe that
            names its data: a bundled recipe by name, a .yaml file or a dict.
        recipe: a recipe for the data; by default ``your-data``, and for GoEmotions
            ``goemotions-minilm``.
        text, label: the columns with texts and labels; by default found by their names.
        label_separator: the separator of several labels in one cell, such as ``|``.
        split: the column with train, validation or test; by default ``split`` if there is one.
            Without it, splits are drawn, stratified by label.
        task: ``single_label`` or ``multi_label``; by default the recipe's, or detected.
        seeds: their number, counted from 0, or a list; by default the recipe's.
        out: the run's folder; by default ``runs/`` and the name of the recipe.
        jobs: the number of arms to train at once, each in its own process. A script then needs
            the usual ``if __name__ == "__main__":``.
        settings: other settings of the recipe by key path, such as
            ``{"training.epochs": 2, "arms.lora.tuning.rank": 16}``.
        retrain_changed: retrain the arms whose data or settings have changed.
        progress: show the progress on standard error or in the notebook.

    Raises:
        RecipeError: an unknown recipe, or contradictory settings.
        DataError: a file, a column or a row that cannot be read.
        RunFolderError: the folder is in use, or its arms were trained on other data or settings.
        InputError: other arguments that cannot be used, or missing packages.
        OfflineError: the Hub cannot be reached.
        StorageError: the disk is full; finished arms are kept.
    """
    require_training()
    if jobs < 1:
        raise InputError(f"`jobs` must be 1 or more, not {jobs}.")
    with _as_arguments():
        chosen = choose_recipe(
            source,
            recipe,
            **{"text": text, "label": label, "label_separator": label_separator, "split": split},
            task=task,
            seeds=seeds,
            out=out,
            settings=settings,
            resume=True,
        )
        folder = run_folder(out, chosen.name)
        from distillora.pipeline import compare as run_arms

        run_arms(
            chosen,
            folder,
            Reporter(quiet=not progress or is_helper()),
            jobs,
            retrain_changed=retrain_changed,
            frame=source if is_dataframe(source) else None,
        )
    return Results(folder)


def preview(
    source: Place | RecipeLike | None = None,
    *,
    recipe: RecipeLike | None = None,
    text: str | None = None,
    label: str | None = None,
    label_separator: str | None = None,
    split: str | None = None,
    task: Task | None = None,
    seeds: int | Sequence[int] | None = None,
    out: str | Path | None = None,
    settings: Mapping[str, Any] = MappingProxyType({}),
) -> RenderableType:
    """Return the plan of ``compare`` without running it: arms, layers, parameters, steps.

    For an existing run, it also lists which arms are finished, which have changed and why.

    >>> import distillora as dl, rich
    >>> rich.print(dl.preview("tickets.csv"))  # doctest: +SKIP

    Args:
        source, recipe, text, label, label_separator, split, task, seeds, out, settings: see
            ``compare``.

    Returns:
        The plan, for ``rich.print``.

    Raises:
        InputError, DataError, OfflineError: see ``compare``.
    """
    require_training()
    with _as_arguments():
        chosen = choose_recipe(
            source,
            recipe,
            **{"text": text, "label": label, "label_separator": label_separator, "split": split},
            task=task,
            seeds=seeds,
            out=out,
            settings=settings,
            resume=True,
        )
        from distillora.pipeline import show_plan

        frame = source if is_dataframe(source) else None
        return show_plan(chosen, run_folder(out, chosen.name), frame)


def audit(
    source: Place | RecipeLike,
    *,
    recipe: RecipeLike | None = None,
    text: str | None = None,
    label: str | None = None,
    label_separator: str | None = None,
    split: str | None = None,
    settings: Mapping[str, Any] = MappingProxyType({}),
) -> AuditRecord:
    """Audit a data set: rows, labels, lengths in tokens, duplicates, texts shared between splits.

    >>> import distillora as dl
    >>> dl.audit("tickets.csv", text="text", label="label").splits["train"].rows
    400

    Args:
        source, recipe, text, label, label_separator, split, settings: see ``compare``.

    Returns:
        The audit: ``warnings`` is for people, ``model_dump_json()`` is for a file.

    Raises:
        InputError, DataError, OfflineError: see ``compare``.
    """
    require_training()
    with _as_arguments():
        chosen = choose_recipe(
            source,
            recipe,
            text=text,
            label=label,
            label_separator=label_separator,
            split=split,
            settings=settings,
        )
        from distillora.pipeline import audit_source

        return audit_source(chosen, source if is_dataframe(source) else None)


def is_helper() -> bool:
    """Whether this is one of ``torchrun``'s processes other than the first."""
    return os.environ.get("RANK", "0") != "0"


@contextmanager
def _as_arguments() -> Iterator[None]:
    """Name settings as arguments in error messages, and hide known warnings."""
    try:
        with warnings.catch_warnings():
            ignore_known_warnings()
            yield
    except DistilloraError as error:
        error.rename_settings(_ARGUMENTS)
        raise
