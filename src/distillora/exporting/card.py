"""The model card: origin, quality, usage and limits of a model."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jinja2
from huggingface_hub import EvalResult, ModelCardData

from distillora.artifacts import write_atomic
from distillora.data.labels import are_emotions
from distillora.evaluation.results import SplitMetrics
from distillora.exporting.arm import TrainedArm
from distillora.inference.bundle import ONNX_FILES, Manifest, Precision, Quality
from distillora.models.origin import BUNDLED, BUNDLED_ID
from distillora.recipe import GOEMOTIONS_ID, Data, Recipe

_HUB_ID = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?")
_METRICS = {"accuracy": "accuracy", "f1_macro": "f1", "f1_weighted": "f1"}


def write_card(
    part: Path,
    arm: TrainedArm,
    manifest: Manifest,
    quality: dict[Precision, dict[str, Quality]],
    problems: list[str],
    *,
    shipped: tuple[Precision, ...],
    vocabulary: int | None,
    license: str | None,
) -> None:
    """Write ``README.md`` with the Hub's metadata.

    Args:
        part: the folder of the bundle.
        arm: the exported arm.
        manifest: the bundle's manifest.
        quality: precision -> split -> metrics.
        problems: the failed checks of a forced export.
        shipped: the precisions in the bundle.
        vocabulary: the size to which the vocabulary was cut, if it was.
        license: one of the Hub's identifiers, such as ``mit``, or None.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("distillora.exporting"),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # it is Markdown
    )
    sizes = {p: (part / ONNX_FILES[p]).stat().st_size / 1e6 for p in shipped}
    text = environment.get_template("card.md.j2").render(
        metadata=_metadata(arm, quality[shipped[-1]]["test"], shipped, license).to_yaml(),
        arm=arm.result,
        run=arm.results,
        manifest=manifest,
        quality=quality,
        trained=_trained(arm.result.metrics.test),
        problems=problems,
        sizes=sizes,
        base_model=base_model(arm.recipe, arm.result.name),
        example=example_text(arm.labels),
        cut=vocabulary,
        emotions=are_emotions(arm.labels),
        reddit=arm.recipe.data.is_goemotions and "grief" in manifest.labels,
    )
    write_atomic(part / "README.md", text)


def _trained(test: SplitMetrics) -> dict[str, float | None]:
    """Return the run's test metrics of the arm, measured in PyTorch."""
    measured = test.tuned or test
    return {
        "accuracy": measured.accuracy,
        "f1_macro": measured.f1_macro,
        "f1_weighted": measured.f1_weighted,
        "calibration_error": test.calibration_error,
    }


def base_model(recipe: Recipe, arm: str) -> str | None:
    """Return the Hub id of the pretrained model that an arm descends from.

    None if its weights were random or came from a folder.
    """
    init = recipe.arms[arm].init
    while init.arm is not None:
        init = recipe.arms[init.arm].init
    name = init.backbone or init.classifier
    if name is None or init.weights == "random":
        return None
    if name == BUNDLED:
        return BUNDLED_ID
    return name if _HUB_ID.fullmatch(name) and not Path(name).expanduser().exists() else None


def example_text(labels: tuple[str, ...]) -> str:
    """Return a text for examples, made from a label's name and never taken from the data.

    >>> example_text(("0", "billing_problem"))
    'This is about: billing problem'
    """
    if are_emotions(labels):
        return "thanks a lot!"
    named = [words for label in labels if re.search(r"[^\W\d_]{2}", words := _words(label))]
    return f"This is about: {named[0]}" if named else "The text to classify"


def _words(label: str) -> str:
    """Return a label as words, without characters that would end a string in the card's code."""
    return " ".join(re.sub(r"[^\w.,&/+-]|[_-]", " ", label).split())


def _metadata(
    arm: TrainedArm, test: Quality, shipped: tuple[Precision, ...], license: str | None
) -> ModelCardData:
    """Return the Hub's metadata, with the test metrics of the exported model."""
    data = arm.recipe.data
    dataset = _dataset_name(data, arm.labels)
    results = [
        EvalResult(
            task_type="text-classification",
            task_name="Text Classification",
            dataset_type=dataset,
            dataset_name="GoEmotions" if dataset == GOEMOTIONS_ID else dataset,
            dataset_split="test",
            metric_type=kind,
            metric_name=metric,
            metric_value=round(getattr(test, metric), 4),
        )
        for metric, kind in _METRICS.items()
    ]
    options: dict[str, Any] = {
        # the language of the user's own data is unknown
        "language": "en" if data.is_goemotions else None,
        "license": license,
        "base_model": base_model(arm.recipe, arm.result.name),
        # plain transformers needs the weights in fp32
        "library_name": "transformers" if "fp32" in shipped else "distillora",
        "pipeline_tag": "text-classification",
        "tags": [*(["emotion"] if are_emotions(arm.labels) else []), "distillora", "onnx"],
        "datasets": [dataset] if dataset == data.hub_id else None,
        "widget": [{"text": example_text(arm.labels)}],
        "model_name": f"{arm.recipe.name}-{arm.result.name}",
        "eval_results": results,
    }
    return ModelCardData(**options)


def _dataset_name(data: Data, labels: tuple[str, ...]) -> str:
    """Return the name of the data set for the Hub: its id there, or the name of its file."""
    if data.source == "sample":
        return "sample"
    if data.source == "dataframe":
        return "dataframe"
    own = data.source == "table" or not (data.source == "hub" or are_emotions(labels))
    return data.path.stem if own and data.path else data.hub_id
