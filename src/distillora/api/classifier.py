"""The public classifier, and the functions ``load`` and ``predict_file``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Self

from distillora.api.packages import find_bundle
from distillora.inference.bulk.score import Summary, score_file
from distillora.inference.bundle import Bundle, Precision
from distillora.inference.classifier import TextClassifier as Classifier
from distillora.progress import Reporter
from distillora.signals.toxicity import ToxicityRule

if TYPE_CHECKING:
    from distillora.readers.file_formats import Format


class TextClassifier(Classifier):
    """A classifier of texts and files; open one with ``distillora.load``.

    >>> import distillora as dl
    >>> classifier = dl.load()
    >>> classifier.predict(["thanks a lot!", "go away"])[0].label
    'gratitude'

    Attributes:
        labels: label names, in the order of the logits.
        task: ``single_label`` or ``multi_label``.
        precision: ``int8`` or ``fp32``.
        max_length: the maximum number of tokens per text.
        toxicity: the toxicity rule; None for a model without emotion labels.
    """

    @classmethod
    def load(
        cls,
        path: str | Path | None = None,
        *,
        precision: Precision | None = None,
        toxicity: ToxicityRule | None = None,
        threads: int | None = None,
        token: str | None = None,
    ) -> Self:
        """Open a model; see ``distillora.load`` for arguments and errors."""
        bundle = Bundle.open(find_bundle(path, token))
        return cls(bundle, precision=precision, toxicity=toxicity, threads=threads)

    def predict_file(
        self,
        source: str | Path | BinaryIO,
        target: str | Path | BinaryIO,
        *,
        text_column: str | None = None,
        columns: Sequence[str] | None = None,
        prefix: str = "",
        source_format: Format | None = None,
        target_format: Format | None = None,
        strict: bool = False,
        resume: bool = False,
        progress: bool = True,
    ) -> Summary:
        """Classify each row of a file, and write the rows with the predictions added.

        >>> classifier.predict_file("in.csv", "out.parquet").rows
        1000

        Args:
            source: .csv, .tsv, .jsonl, .parquet or .txt (one text per line), or a binary stream.
            target: a file of one of these formats, or a binary stream.
            text_column: the column with the texts; by default found by its name.
            columns: the columns to add: label, score, labels, toxicity, toxic, truncated, scores
                (one ``score_LABEL`` per label); by default the first five. ``error`` is always
                added.
            prefix: prefix of the added columns' names.
            source_format, target_format: csv, tsv, jsonl, parquet or text; needed for streams.
            strict: raise an error for a row that cannot be scored, instead of recording it.
            resume: continue an interrupted run.
            progress: show the progress on standard error or in the notebook.

        Raises:
            InputError: arguments that do not fit each other, the files or the model.
            DataError: a malformed file, a missing column, or ``strict`` and a row that cannot be
                scored.
            RunFolderError: another process writes the same file.
            StorageError: the disk is full.
        """
        return score_file(
            self,
            source,
            target,
            source_format=source_format,
            target_format=target_format,
            text_column=text_column,
            columns=columns,
            prefix=prefix,
            strict=strict,
            resume=resume,
            reporter=Reporter(quiet=not progress),
        )


def load(
    model: str | Path | None = None,
    *,
    precision: Precision | None = None,
    toxicity: ToxicityRule | None = None,
    threads: int | None = None,
    token: str | None = None,
) -> TextClassifier:
    """Open a model for prediction on the CPU, without PyTorch.

    >>> import distillora as dl
    >>> dl.load().predict("thanks a lot!")[0].label
    'gratitude'

    Args:
        model: the folder of a bundle, or ``owner/name`` or ``owner/name@revision`` of one on the
            Hugging Face Hub; a folder takes precedence. By default the starter model in the
            package.
        precision: ``int8`` or ``fp32``; by default the fastest that the bundle has.
        toxicity: a rule to use instead of the bundle's.
        threads: number of onnxruntime threads; by default one per core.
        token: for a private model on the Hub; by default the one that ``huggingface_hub`` finds:
            HF_TOKEN, or else the token saved by ``hf auth login``.

    Raises:
        BundleError: the folder is not a bundle, or the bundle does not have this precision.
        IntegrityError: a file of the bundle is damaged.
        InputError: the toxicity rule names a label that the model does not have, or ``threads`` is
            below 1.
        HubError: the Hub has no such model or revision, or you may not read it.
        OfflineError: the Hub cannot be reached.
    """
    return TextClassifier.load(
        model, precision=precision, toxicity=toxicity, threads=threads, token=token
    )


def predict_file(
    source: str | Path | BinaryIO,
    target: str | Path | BinaryIO,
    model: str | Path | None = None,
    *,
    precision: Precision | None = None,
    toxicity: ToxicityRule | None = None,
    token: str | None = None,
    text_column: str | None = None,
    columns: Sequence[str] | None = None,
    prefix: str = "",
    source_format: Format | None = None,
    target_format: Format | None = None,
    strict: bool = False,
    resume: bool = False,
    progress: bool = True,
) -> Summary:
    """Classify each row of a file, and write the rows with the predictions added.

    >>> import distillora as dl
    >>> dl.predict_file("in.csv", "out.parquet", "bundles/tickets").rows
    1000

    Args:
        source, target: see ``TextClassifier.predict_file``.
        model, precision, toxicity, token: see ``load``.
        text_column, columns, prefix, source_format, target_format, strict, resume, progress: see
            ``TextClassifier.predict_file``.

    Raises:
        InputError, DataError, RunFolderError, StorageError: see ``TextClassifier.predict_file``.
        BundleError, IntegrityError, HubError, OfflineError: see ``load``.
    """
    classifier = load(model, precision=precision, toxicity=toxicity, token=token)
    return classifier.predict_file(
        source,
        target,
        text_column=text_column,
        columns=columns,
        prefix=prefix,
        source_format=source_format,
        target_format=target_format,
        strict=strict,
        resume=resume,
        progress=progress,
    )
