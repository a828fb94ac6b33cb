"""The output of ``predict``."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from distillora.inference.bulk import Summary
    from distillora.inference.classifier import Prediction, TextClassifier
    from distillora.inference.explain import Explanation

_TEXTS_AT_ONCE = 32


def print_predictions(
    classifier: TextClassifier,
    texts: Iterable[str],
    *,
    top_k: int | None,
    as_json: bool,
    explained: bool,
) -> None:
    """Print each prediction, in batches as the texts arrive."""
    from distillora.inference.explain import explain
    from distillora.readers.rows import group

    for batch in group(texts, len, _TEXTS_AT_ONCE, 1 << 20):
        for text, prediction in zip(batch, classifier.predict(batch, top_k=top_k), strict=True):
            why = explain(classifier, text) if explained else None
            if as_json:
                typer.echo(_as_json(text, prediction, why))
            else:
                typer.echo(_as_text(text, prediction, top_k, why))
        sys.stdout.flush()


def _as_json(text: str, prediction: Prediction, why: Explanation | None) -> str:
    from distillora.readers.rows import clean

    values = {"text": text, **prediction.to_dict()}
    if why is not None:
        told = asdict(why)
        values["explanation"] = {key: told[key] for key in ("label", "logit", "words")}
    return clean(json.dumps(values, ensure_ascii=False))


def _as_text(text: str, prediction: Prediction, top_k: int | None, why: Explanation | None) -> str:
    from distillora.readers.rows import shown

    lines = [shown(text), f"  {prediction}"]
    if top_k is not None:
        best = ", ".join(f"{label} {p:.3f}" for label, p in prediction.scores.items())
        lines.append(f"  best: {best}")
    if why is not None:
        words = ", ".join(f"{shown(word.word, 30)} {word.effect:+.2f}" for word in why.words)
        lines.append(f"  words for {why.label}: {words or 'none'}")
    return "\n".join(lines)


def print_summary(summary: Summary, target: str, column: str) -> None:
    """Print a summary of a scored file on standard error; ``column`` has its rows' errors."""

    def say(line: str) -> None:
        typer.echo(line, err=True)

    scored = summary.rows - summary.resumed
    speed = f"{scored / summary.seconds:,.0f} rows/s" if scored else "nothing left to score"
    before = f", {summary.resumed:,} of them from an earlier run" if summary.resumed else ""
    place = "standard output" if target == "-" else target
    rows = f"{summary.rows:,} row{'' if summary.rows == 1 else 's'}"
    say(f"{rows}{before}, {summary.seconds:.1f} s ({speed}): {place}")
    if summary.failed:
        say(f"{summary.failed:,} could not be scored; the column '{column}' gives the reason:")
        for where, error in summary.first_failures:
            say(f"  {where}: {error}")
        if summary.failed > len(summary.first_failures):
            say("  ...")
