"""Training and comparing arms: ``compare``, and what can be seen before: ``preview``, ``audit``."""

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

# what the settings that messages name are called here
_ARGUMENTS = {
    **{"data": "`source`", "text_column": "`text`", "label_column": "`label`"},
    **{"split_column": "`split`"},
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

    Called again after an interruption, it goes on where it stopped. Arms that were made from other
    data or settings are not reused: it stops and says what changed.

    Args:
        source: the data: a table (.csv, .tsv, .jsonl, .parquet), a folder with a table for each
            split, ``owner/name`` of a data set on the Hub, ``hub`` (GoEmotions), ``sample`` (the
            bundled one), or a pandas DataFrame, of which the run keeps a copy. Or a recipe, which
            says where its data is: the name of one of distillora's, a .yaml file, a dict.
        recipe: a recipe to use with the data; by default ``your-data``, and for GoEmotions
            ``goemotions-minilm``.
        text, label: the columns of texts and labels, if their names do not tell.
        label_separator: what separates several labels in one cell, such as ``|``.
        split: the column that says train, validation or test; by default ``split``, if there is
            one, and else the rows are divided, stratified by label.
        task: ``single_label`` or ``multi_label``; by default what the data is.
        seeds: how many, counted from 0, or which; by default the recipe's.
        out: the run's folder; by default ``runs/`` and the name of the recipe.
        jobs: how many arms to train at a time, each in a process of its own. A script needs the
            usual ``if __name__ == "__main__":``.
        settings: single settings of the recipe by their key path, such as
            ``{"training.epochs": 2, "arms.lora.tuning.rank": 16}``.
        retrain_changed: train the arms again that were made from other data or settings.
        progress: show it, on standard error or in the notebook.

    Raises:
        RecipeError: a recipe that is not found, or settings that contradict each other.
        DataError: a file, a column or a row that cannot be read as it stands.
        RunFolderError: the folder is in use, or holds arms that were made from something else.
        InputError: other arguments that cannot be used, or packages that are missing.
        OfflineError: the Hub cannot be reached.
        StorageError: the disk is full; what is finished is kept.
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
    out: str | Path | None = None,
    **options: Any,
) -> RenderableType:
    """Work out what ``compare`` would do, without doing it: arms, layers, parameters, steps.

    Of a run that is there already it says which arms are finished, which changed and why.

    >>> import distillora as dl, rich
    >>> rich.print(dl.preview("tickets.csv"))  # doctest: +SKIP

    Args:
        source, recipe, out: see ``compare``.
        options: ``text``, ``label``, ``label_separator``, ``split``, ``task``, ``seeds`` and
            ``settings`` of ``compare``.

    Returns:
        What rich can print.

    Raises:
        InputError, DataError, OfflineError: see ``compare``.
    """
    require_training()
    with _as_arguments():
        chosen = choose_recipe(source, recipe, out=out, resume=True, **options)
        from distillora.pipeline import show_plan

        frame = source if is_dataframe(source) else None
        return show_plan(chosen, run_folder(out, chosen.name), frame)


def audit(source: Place | RecipeLike, **options: Any) -> AuditRecord:
    """Audit a data set: rows, labels, lengths in tokens, duplicates, texts shared between splits.

    >>> import distillora as dl
    >>> dl.audit("tickets.csv", text="text", label="label").splits["train"].rows
    400

    Args:
        source: see ``compare``.
        options: ``text``, ``label``, ``label_separator``, ``split``, ``settings`` of ``compare``.

    Returns:
        The record; ``model_dump_json`` writes it, ``warnings`` are for people.

    Raises:
        InputError, DataError, OfflineError: see ``compare``.
    """
    require_training()
    with _as_arguments():
        chosen = choose_recipe(source, **options)
        from distillora.pipeline import audit_source

        return audit_source(chosen, source if is_dataframe(source) else None)


def is_helper() -> bool:
    """Whether this process only helps another one, which ``torchrun`` started too, to train."""
    return os.environ.get("RANK", "0") != "0"


@contextmanager
def _as_arguments() -> Iterator[None]:
    """Call settings by the names of the arguments in what is raised, and hide known warnings."""
    try:
        with warnings.catch_warnings():
            ignore_known_warnings()
            yield
    except DistilloraError as error:
        error.rename_settings(_ARGUMENTS)
        raise
