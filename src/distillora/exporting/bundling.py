"""Export a trained arm as a bundle, and check the bundle against the arm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from distillora import __version__
from distillora.artifacts import sha256_file, write_atomic, write_folder_atomic
from distillora.data.dataset import Dataset, Split
from distillora.data.labels import are_emotions
from distillora.errors import ExportError, RunFolderError
from distillora.evaluation.threshold_choice import choose_thresholds
from distillora.exporting.arm import TrainedArm
from distillora.exporting.card import write_card
from distillora.exporting.gate import (
    Logits,
    Yardstick,
    compare_logits,
    compare_quality,
    torch_logits,
)
from distillora.exporting.onnx_model import make_feeds, quantize_onnx, write_onnx
from distillora.exporting.vocabulary import prune_vocabulary
from distillora.inference.bundle import (
    BUNDLE_MANIFEST,
    ONNX_FILES,
    Bundle,
    FileRecord,
    Manifest,
    Origin,
    Precision,
    Quality,
)
from distillora.inference.classifier import TextClassifier
from distillora.models.backbones import save_model
from distillora.models.heads import output_layer
from distillora.probabilities import to_probabilities
from distillora.progress import Reporter
from distillora.signals.toxicity import HOSTILE_EMOTIONS, ToxicityRule, measure_toxicity

_CHECKED = ("validation", "test")
# training texts for measuring the activations before int8
_SAMPLE = 512


@dataclass(frozen=True)
class ExportOptions:
    """The options of an export.

    Attributes:
        int8: add the int8 model.
        int8_only: leave out the fp32 files; the smallest folder.
        vocabulary: cut a WordPiece vocabulary to this many tokens.
        license: the model's licence for the card, one of the Hub's identifiers, or None.
        force: keep an export that fails the check; its card says so.
        overwrite: replace an existing bundle.
    """

    int8: bool = False
    int8_only: bool = False
    vocabulary: int | None = None
    license: str | None = None
    force: bool = False
    overwrite: bool = True

    @property
    def precisions(self) -> tuple[Precision, ...]:
        """The precisions to write; with ``int8_only``, fp32 is deleted after the check."""
        return ("fp32", "int8") if self.int8 or self.int8_only else ("fp32",)


def export_arm(folder: Path, out: Path, options: ExportOptions, reporter: Reporter) -> Manifest:
    """Export a trained arm as a bundle, and keep it only if it passes the gate.

    Args:
        folder: ``RUN/arms/ARM/seed-N`` of a finished run.
        out: the folder of the bundle.
        options: what to write.
        reporter: shows the progress.

    Raises:
        ExportError: the export fails the check; nothing is written to ``out``.
        RunFolderError: ``folder`` is not a finished arm, or ``out`` contains other files.
        IntegrityError: weights, data and results of the run do not match.
    """
    _check_target(out, overwrite=options.overwrite)
    arm = TrainedArm.open(folder)
    reporter.say(f"  reading the data of {arm.run.root}")
    dataset = arm.load_data()
    model, tokenizer = arm.load_model(), arm.load_tokenizer()
    if options.vocabulary is not None:
        texts = dataset.splits["train"].texts
        tokenizer = prune_vocabulary(model, tokenizer, texts, options.vocabulary)
    fold_temperature(model, arm.temperature)
    manifests: list[Manifest] = []

    def write(part: Path) -> None:
        reporter.say("  writing the models")
        sample = dataset.splits["train"].texts[:_SAMPLE] if "int8" in options.precisions else None
        _write_models(part, model, tokenizer, arm, sample)
        rule = tune_toxicity(arm.recorded_logits["validation"], dataset.splits["validation"], arm)
        draft = _write_manifest(part, arm, model, rule, {})
        quality, problems = _examine(part, arm, draft, dataset, model, tokenizer, reporter)
        if problems and not options.force:
            raise ExportError(
                f"The export does not pass its check: {'; '.join(problems)}. Nothing was written. "
                "To keep it anyway, use `force`; its card will say so."
            )
        shipped: tuple[Precision, ...] = ("int8",) if options.int8_only else options.precisions
        write_card(
            part,
            arm,
            draft,
            quality,
            problems,
            shipped=shipped,
            vocabulary=options.vocabulary,
            license=options.license,
        )
        if options.int8_only:
            for name in (ONNX_FILES["fp32"], "model.safetensors"):
                (part / name).unlink()
        manifests.append(_write_manifest(part, arm, model, rule, quality))

    write_folder_atomic(out, write)
    return manifests[0]


def convert_arm(folder: Path) -> Path:
    """Write an fp32 bundle next to an arm's model, for comparing arms; it is not checked.

    Returns:
        The folder of the bundle, ``RUN/arms/ARM/seed-N/bundle``.
    """
    out = folder / "bundle"
    if (out / BUNDLE_MANIFEST).is_file():
        return out
    arm = TrainedArm.open(folder)
    model, tokenizer = arm.load_model(), arm.load_tokenizer()
    fold_temperature(model, arm.temperature)
    rule = toxicity_rule(arm.labels)

    def write(part: Path) -> None:
        _write_models(part, model, tokenizer, arm, None)
        (part / "model.safetensors").unlink()
        _write_manifest(part, arm, model, rule, {})

    write_folder_atomic(out, write)
    return out


def fold_temperature(model: PreTrainedModel, temperature: float) -> None:
    """Divide the head's last layer by the temperature, so that the logits are calibrated.

    Loaders of the weights then need no special handling.
    """
    layer = output_layer(model)
    with torch.no_grad():
        layer.weight.div_(temperature)
        if layer.bias is not None:
            layer.bias.div_(temperature)


def toxicity_rule(labels: tuple[str, ...], threshold: float = 0.5) -> ToxicityRule | None:
    """Return the toxicity rule for a model with these labels, or None.

    None if the labels are not emotions (a ticket queue may be called ``anger``), or if none of
    them is hostile.
    """
    if not are_emotions(labels):
        return None
    emotions = tuple(emotion for emotion in HOSTILE_EMOTIONS if emotion in labels)
    return ToxicityRule(emotions=emotions, threshold=threshold) if emotions else None


def tune_toxicity(logits: Logits, validation: Split, arm: TrainedArm) -> ToxicityRule | None:
    """Choose the toxicity threshold that best finds texts with a hostile label (validation F1).

    Args:
        logits: uncalibrated logits of the validation texts, shape (rows, labels).
        validation: the validation split.
        arm: the arm that computed the logits.
    """
    rule = toxicity_rule(arm.labels)
    if rule is None:
        return None
    columns = rule.columns(arm.labels)
    probabilities = to_probabilities(logits / arm.temperature, arm.task)
    mass = measure_toxicity(probabilities, columns, arm.task)
    hostile = validation.multi_hot(len(arm.labels))[:, columns].max(axis=1)
    chosen = choose_thresholds(mass[:, None], hostile[:, None])
    return toxicity_rule(arm.labels, float(chosen.thresholds[0]))


def _write_models(
    part: Path,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    arm: TrainedArm,
    sample: Sequence[str] | None,
) -> None:
    """Write the models and the tokenizer; the int8 model only with a sample of texts."""
    tokenizer.model_max_length = arm.recipe.data.max_length
    save_model(model, tokenizer, part)
    write_onnx(model, part / ONNX_FILES["fp32"])
    if sample is not None:
        feeds = make_feeds(tokenizer, sample, arm.recipe.data.max_length)
        quantize_onnx(part / ONNX_FILES["fp32"], part / ONNX_FILES["int8"], feeds)


def _examine(
    part: Path,
    arm: TrainedArm,
    draft: Manifest,
    dataset: Dataset,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    reporter: Reporter,
) -> tuple[dict[Precision, dict[str, Quality]], list[str]]:
    """Measure each precision on validation and test; return the metrics and the problems."""
    yardstick = Yardstick(arm.task, arm.labels, arm.result.thresholds)
    recorded = np.asarray(arm.recorded_logits["validation"] / arm.temperature, np.float32)
    trained = yardstick.measure(recorded, dataset.splits["validation"])
    quality: dict[Precision, dict[str, Quality]] = {}
    problems: list[str] = []
    bundle = Bundle(part, draft)
    for precision in bundle.precisions[::-1]:
        classifier = TextClassifier(bundle, precision=precision)
        quality[precision] = {}
        for name in _CHECKED:
            split = dataset.splits[name]
            reporter.say(f"  {precision}: scoring {name}, {len(split):,} texts")
            logits = classifier.score(split.texts).logits
            quality[precision][name] = yardstick.measure(logits, split)
            if precision == "fp32" and name == "validation":
                truth = torch_logits(model, tokenizer, split, draft.max_length)
                problems += compare_logits(logits, truth)
        problems += compare_quality(precision, quality[precision]["validation"], trained)
    return quality, problems


def _write_manifest(
    part: Path,
    arm: TrainedArm,
    model: PreTrainedModel,
    rule: ToxicityRule | None,
    quality: dict[Precision, dict[str, Quality]],
) -> Manifest:
    config: Any = model.config
    manifest = Manifest(
        name=f"{arm.recipe.name} {arm.result.name}",
        task=arm.task,
        labels=arm.labels,
        thresholds=arm.result.thresholds,
        temperature=arm.temperature,
        max_length=arm.recipe.data.max_length,
        toxicity=rule,
        origin=Origin(
            recipe=arm.recipe.name,
            arm=arm.result.name,
            seed=arm.result.seed,
            commit=arm.commit,
            distillora=__version__,
            data=arm.results.data.sha256,
            weights_sha256=arm.result.weights_sha256,
            layers=config.num_hidden_layers,
            parameters=sum(p.numel() for p in model.parameters()),
            vocabulary=config.vocab_size,
        ),
        quality=quality,
        files={
            path.name: FileRecord(bytes=path.stat().st_size, sha256=sha256_file(path))
            for path in sorted(part.iterdir())
            if path.name != BUNDLE_MANIFEST
        },
    )
    write_atomic(part / BUNDLE_MANIFEST, manifest.model_dump_json(indent=1))
    return manifest


def _check_target(out: Path, *, overwrite: bool) -> None:
    """Raise a RunFolderError if the folder has other files, or a bundle not to overwrite."""
    if (out / BUNDLE_MANIFEST).is_file() and not overwrite:
        raise RunFolderError(
            f"{out} already contains a bundle. Replace it with `overwrite`, or give another folder."
        )
    if out.is_file() or (
        out.is_dir() and any(out.iterdir()) and not (out / BUNDLE_MANIFEST).is_file()
    ):
        raise RunFolderError(
            f"{out} contains files that are not a bundle. Give an empty folder with `out`."
        )
