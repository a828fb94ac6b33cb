"""A recipe's data, read from wherever it is."""

from __future__ import annotations

from importlib.resources import as_file, files

from distillora.data.corpus import Corpus
from distillora.data.taxonomy import apply_taxonomy
from distillora.errors import DataError
from distillora.recipe import GOEMOTIONS_CONFIG, Data


def load_corpus(data: Data) -> Corpus:
    """Read the data set as training uses it: ``read_corpus``, then ``drop_shared`` if asked for.

    Raises:
        DataError: a file, a row or a label that cannot be read as it stands.
        OfflineError: the Hub cannot be reached.
    """
    corpus = read_corpus(data)
    return drop_shared_texts(corpus) if data.drop_shared else corpus


def read_corpus(data: Data) -> Corpus:
    """Read the data set as it is audited: the first ``limit`` rows per split, in ``taxonomy``.

    Raises:
        DataError, OfflineError: see ``load_corpus``.
    """
    corpus = _read_source(data)
    if data.limit is not None:
        corpus = _take_first(corpus, data.limit)
    return apply_taxonomy(corpus, data.taxonomy)


def drop_shared_texts(corpus: Corpus) -> Corpus:
    """Leave out the training rows whose exact text validation or test holds too.

    Raises:
        DataError: no training row is left.
    """
    train = corpus.splits["train"]
    evaluated = {*corpus.splits["validation"].texts, *corpus.splits["test"].texts}
    kept = [row for row, text in enumerate(train.texts) if text not in evaluated]
    if not kept:
        raise DataError(
            f"Every training text of {corpus.source} stands in validation or test too. "
            "Set data.drop_shared to false, or split the data anew."
        )
    splits = {**corpus.splits, "train": train.take(kept)}
    dropped = corpus.dropped_from_train + len(train) - len(kept)
    return corpus.with_splits(splits, dropped_from_train=dropped)


def _read_source(data: Data) -> Corpus:
    # the readers need pyarrow or datasets, which `distillora --help` should not wait for
    from distillora.data.folder import read_folder
    from distillora.data.hub import read_hub
    from distillora.data.tables import read_tables

    if data.source == "hub":
        return read_hub(data)
    if data.source == "table":
        return read_tables(data)
    if data.source == "sample":
        with as_file(files("distillora.data") / "sample") as folder:
            return read_folder(folder, data.hub_config or GOEMOTIONS_CONFIG, "the bundled sample")
    assert data.path is not None  # the recipe refuses source 'folder' without a path
    return read_folder(data.path, data.hub_config or GOEMOTIONS_CONFIG, f"folder {data.path}")


def _take_first(corpus: Corpus, limit: int) -> Corpus:
    return corpus.with_splits(
        {name: split.take(list(range(len(split))[:limit])) for name, split in corpus.splits.items()}
    )
