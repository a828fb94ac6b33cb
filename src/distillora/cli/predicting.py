"""The command that uses a model: ``predict``."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from distillora.cli.base import app, say
from distillora.cli.predictions import print_predictions, print_summary
from distillora.errors import InputError, did_you_mean

if TYPE_CHECKING:
    from distillora.api.classifier import TextClassifier
    from distillora.signals.toxicity import ToxicityRule

_PRECISIONS = ("int8", "fp32")
_TEXTS = "For texts"
_FILES = "For files"


@app.command()
def predict(
    texts: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="TEXT", help="Texts to classify. By default each line of standard input."
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="BUNDLE|OWNER/NAME[@REVISION]",
            help="A bundle, in a folder or on the Hugging Face Hub. By default the starter model.",
        ),
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(
            metavar="int8|fp32", help="Precision of the model. By default the fastest it has."
        ),
    ] = None,
    toxic_emotions: Annotated[
        str | None, typer.Option(metavar="A,B", help="Labels that count towards toxicity.")
    ] = None,
    toxic_threshold: Annotated[
        float | None,
        typer.Option(metavar="X", help="Flag a text as toxic at or above this score."),
    ] = None,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print one JSON object per line.", rich_help_panel=_TEXTS),
    ] = False,
    top_k: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Show the N most probable labels.", rich_help_panel=_TEXTS
        ),
    ] = None,
    explain: Annotated[
        bool,
        typer.Option("--explain", help="Show each word's effect.", rich_help_panel=_TEXTS),
    ] = False,
    source: Annotated[
        str | None,
        typer.Option(
            "--input",
            metavar="FILE|-",
            help="Classify this file: .csv, .tsv, .jsonl, .parquet or .txt; - is standard input.",
            rich_help_panel=_FILES,
        ),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            "--output",
            metavar="FILE|-",
            help="Write the rows with their predictions to this file; - is standard output.",
            rich_help_panel=_FILES,
        ),
    ] = None,
    text_column: Annotated[
        str | None,
        typer.Option(
            help="Column with the texts. By default found by its name.", rich_help_panel=_FILES
        ),
    ] = None,
    source_format: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="FORMAT",
            help="Format of --input: csv, tsv, jsonl, parquet or text. By default from its "
            "extension.",
            rich_help_panel=_FILES,
        ),
    ] = None,
    target_format: Annotated[
        str | None,
        typer.Option(
            "--output-format",
            metavar="FORMAT",
            help="Format of --output. By default from its extension.",
            rich_help_panel=_FILES,
        ),
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option(
            metavar="A,B",
            help="Columns to add: label, score, labels, toxicity, toxic, truncated, scores. "
            "By default the first five.",
            rich_help_panel=_FILES,
        ),
    ] = None,
    prefix: Annotated[
        str | None,
        typer.Option(help="Prefix of the added columns' names.", rich_help_panel=_FILES),
    ] = None,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict",
            help="Refuse a file with a row that cannot be scored.",
            rich_help_panel=_FILES,
        ),
    ] = False,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Continue an interrupted run.", rich_help_panel=_FILES),
    ] = False,
) -> None:
    """Classify texts, or every row of a file.

    Prints a prediction for each text. With --input and --output it writes the rows of a file with
    the predictions as added columns.
    """
    for_texts = {"--json": as_json, "--top-k": top_k, "--explain": explain}
    for_files = {
        **{"--output": target, "--text-column": text_column, "--format": source_format},
        **{"--output-format": target_format, "--columns": columns, "--prefix": prefix},
        **{"--strict": strict, "--resume": resume},
    }
    if source is None:
        _refuse(for_files, "is for files and needs --input FILE (or --input -)")
        given = _given_texts(texts)
        classifier = _open(model, precision, toxic_emotions, toxic_threshold)
        print_predictions(classifier, given, top_k=top_k, as_json=as_json, explained=explain)
        return
    _refuse({"A text": texts, **for_texts}, "cannot be given together with --input")
    if target is None:
        raise InputError("Give an output: --output FILE, or --output - for standard output")
    classifier = _open(model, precision, toxic_emotions, toxic_threshold)
    options: dict[str, Any] = {"text_column": text_column, "columns": _split(columns)}
    options |= {"source_format": source_format, "target_format": target_format}
    options |= {"prefix": prefix or "", "strict": strict, "resume": resume}
    _score_file(classifier, source, target, options)


def _refuse(options: Mapping[str, object], why: str) -> None:
    for option, value in options.items():
        if value:
            raise InputError(f"{option} {why}.")


def _split(names: str | None) -> list[str] | None:
    return None if names is None else [name.strip() for name in names.split(",") if name.strip()]


def _open(
    model: str | None, precision: str | None, emotions: str | None, threshold: float | None
) -> TextClassifier:
    if precision is not None and precision not in _PRECISIONS:
        hint = did_you_mean(precision, _PRECISIONS)
        raise InputError(f"--precision: there is no '{precision}'.{hint}")
    from distillora.api.bundles import open_bundle

    bundle = open_bundle(model, notify=say)
    rule = _toxicity_rule(bundle.manifest.toxicity, _split(emotions), threshold)
    chosen: Any = precision  # checked above
    return bundle.load(precision=chosen, toxicity=rule)


def _toxicity_rule(
    own: ToxicityRule | None, emotions: list[str] | None, threshold: float | None
) -> ToxicityRule | None:
    """Return the bundle's rule, with the changes that the options make."""
    from distillora.signals.toxicity import ToxicityRule

    if emotions is None and threshold is None:
        return own
    if own is None and emotions is None:
        raise InputError(
            "--toxic-threshold: this model has no labels for hostile emotions. "
            "Name the labels that count with --toxic-emotions"
        )
    rule = own or ToxicityRule()
    if threshold is not None and not 0 < threshold < 1:
        raise InputError(f"--toxic-threshold must be between 0 and 1, not {threshold}.")
    return ToxicityRule(
        emotions=rule.emotions if emotions is None else tuple(emotions),
        threshold=rule.threshold if threshold is None else threshold,
    )


def _given_texts(texts: Sequence[str] | None) -> Iterable[str]:
    """Return the arguments, or the lines of standard input."""
    if texts:
        return texts
    if sys.stdin.isatty():
        raise InputError(
            'No text. Give a text, such as distillora predict "thanks a lot!", a file with '
            "--input FILE, or lines on standard input"
        )
    return _lines_of_stdin()


def _lines_of_stdin() -> Iterable[str]:
    number = 0
    for number, line in enumerate(sys.stdin.buffer, 1):
        text = line.decode("utf-8-sig" if number == 1 else "utf-8", errors="replace")
        yield text.rstrip("\r\n")
    if not number:
        raise InputError("No text: standard input is empty.")


def _score_file(
    classifier: TextClassifier, source: str, target: str, options: dict[str, Any]
) -> None:
    to_stdout = target == "-"
    try:
        summary = classifier.predict_file(
            sys.stdin.buffer if source == "-" else Path(source),
            sys.stdout.buffer if to_stdout else Path(target),
            **options,
        )
    except KeyboardInterrupt:
        advice = "" if to_stdout else " Run the same command with --resume to continue."
        typer.echo(f"\nStopped.{advice}", err=True)
        raise SystemExit(130) from None
    print_summary(summary, target, f"{options['prefix']}error")
