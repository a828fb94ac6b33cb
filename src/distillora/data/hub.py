"""A data set from the Hugging Face Hub, at a pinned revision."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from distillora.artifacts import explain_full_disk
from distillora.data.checks import check_splits
from distillora.data.corpus import Corpus
from distillora.data.examples import Cells, build_corpus, split_called
from distillora.data.folder import FOLDER_FORMAT, SPLIT_ALIASES
from distillora.data.parquet import COLUMNS, class_names_of, label_names_of, split_from_table
from distillora.errors import DataError, OfflineError
from distillora.readers.columns import choose_label_column, choose_text_column
from distillora.readers.rows import text_or_problem
from distillora.recipe import GOEMOTIONS_ID, Data

_OFFLINE_WAYS = (
    f"Two ways do without the Hub: `--data FOLDER`, a folder with {FOLDER_FORMAT}; or "
    "`data.source: sample`, the small data set inside the package, as in `--recipe quickstart`."
)


def read_hub(data: Data) -> Corpus:
    """Download the data set, or take it from the cache of ``datasets`` if the revision is there.

    Raises:
        OfflineError: the Hub cannot be reached and the revision is not in the cache.
        DataError: the Hub has no such data set, configuration or revision, it asks for
            permission, or there are no columns of texts and labels.
        StorageError: no space left for the download.
    """
    dataset, commit = _download(data)
    if not _has_fixed_columns(data, dataset):
        return _read_any(data, dataset, commit)
    where = _name(data)
    names = label_names_of(next(iter(dataset.values())).features.arrow_schema, where)
    if names is None:
        raise DataError(f"{where} does not name its labels. {_OFFLINE_WAYS}")
    splits = {}
    for split, aliases in SPLIT_ALIASES.items():
        name = next((alias for alias in aliases if alias in dataset), None)
        if name is None:
            raise DataError(f"{where} has no {split} split; it has {', '.join(dataset)}.")
        splits[split] = split_from_table(dataset[name].data.table, len(names), f"{where}, {name}")
    return check_splits(Corpus(splits, names, f"{where} at {commit}"))


def _name(data: Data) -> str:
    return data.hub_id + (f" ({data.hub_config})" if data.hub_config else "")


def _has_fixed_columns(data: Data, dataset: Any) -> bool:
    """Whether a data set is to be read in GoEmotions' own format, which names its columns."""
    if data.hub_id == GOEMOTIONS_ID:
        return True
    columns = set(next(iter(dataset.values())).column_names)
    named = data.text_column or data.label_column or data.label_separator
    return not named and columns >= set(COLUMNS) and _split_names(dataset) == set(SPLIT_ALIASES)


def _split_names(dataset: Mapping[str, Any]) -> set[str]:
    """Return which of train, validation and test a data set has, under any of their names."""
    return {split for name in dataset if (split := split_called(name)) is not None}


def _read_any(data: Data, dataset: Any, commit: str) -> Corpus:
    """Read a data set whose columns have names of their own, and perhaps fewer splits."""
    where = f"{_name(data)} at {commit}"
    tables = {split: own for name, own in dataset.items() if (split := split_called(name))}
    if "train" not in tables:
        raise DataError(f"{where} has no split called train; it has {', '.join(dataset)}.")
    columns = list(tables["train"].column_names)
    text = choose_text_column(columns, data.text_column, where)
    label = choose_label_column([c for c in columns if c != text], data.label_column, where)
    cells = [
        Cells(f"{split}, row {n}", f"{split}-{n}", *text_or_problem(row[text]), row[label], split)
        for split, own in tables.items()
        for n, row in enumerate(own.select_columns([text, label]), start=1)
    ]
    names = class_names_of(tables["train"].features.arrow_schema, label, where)
    return build_corpus(cells, data, where, label_column=label, class_names=names)


def _download(data: Data) -> tuple[Any, str]:
    """Return the ``DatasetDict`` and the commit that it was made from."""
    # here, because they take seconds to import and most commands never ask the Hub
    import datasets
    from huggingface_hub.errors import LocalEntryNotFoundError
    from huggingface_hub.utils import httpx  # type: ignore[attr-defined]  # the client it uses

    if not sys.stderr.isatty():
        datasets.disable_progress_bars()
    try:
        with explain_full_disk(Path(datasets.config.HF_DATASETS_CACHE)):
            builder = _cached_builder(data) or _hub_builder(data)
            builder.download_and_prepare()
            return builder.as_dataset(), str(builder.hash)
    except (ConnectionError, LocalEntryNotFoundError, httpx.HTTPError) as error:
        raise _offline(data, error) from error
    except (datasets.exceptions.DatasetsError, OSError, ValueError) as error:
        # this error says only that something went wrong, its cause says what
        vague = isinstance(error, datasets.exceptions.DatasetGenerationError)
        reason = error.__cause__ if vague and error.__cause__ else error
        raise DataError(
            f"The data set {_name(data)}{_revision(data)} cannot be "
            f"loaded: {_one_line(reason)}. Check hub_id, hub_config and hub_revision. "
            f"{_OFFLINE_WAYS}"
        ) from error


def _cached_builder(data: Data) -> Any | None:
    """Return a builder that reads exactly this commit from the cache, None if it is not there."""
    from datasets.packaged_modules.cache.cache import Cache

    if data.hub_revision is None:
        return None
    builder = Cache(
        repo_id=data.hub_id,
        dataset_name=data.hub_id.split("/")[-1],
        # what `datasets` calls the only configuration of a data set that names none
        config_name=data.hub_config or "default",
        hash=data.hub_revision,
    )
    return builder if Path(builder.cache_dir).is_dir() else None


def _hub_builder(data: Data) -> Any:
    import datasets
    from datasets.packaged_modules.cache.cache import Cache
    from huggingface_hub import get_session

    # one quick try, since `datasets` itself would try again for half a minute
    get_session().head(datasets.config.HF_ENDPOINT, timeout=10)
    builder = datasets.load_dataset_builder(
        # the prefix keeps a local folder of this name from being read in the Hub's place
        f"hf://datasets/{data.hub_id}",
        data.hub_config,
        revision=data.hub_revision,
    )
    # where the Hub fails, `datasets` takes whichever revision it cached last, with a mere warning
    if isinstance(builder, Cache):
        raise _offline(data, f"its cache holds another revision, {builder.hash}")
    return builder


def _offline(data: Data, reason: object) -> OfflineError:
    return OfflineError(
        f"The Hugging Face Hub cannot be reached for the data set {data.hub_id}{_revision(data)} "
        f"({_one_line(reason)}). Try again with network. {_OFFLINE_WAYS}"
    )


def _revision(data: Data) -> str:
    return f" at {data.hub_revision}" if data.hub_revision else ""


def _one_line(reason: object) -> str:
    return " ".join(str(reason).split()).rstrip(".")
