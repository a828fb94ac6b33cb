"""The models in the app: bundles, the starter model, the arms of a run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import streamlit as st

from distillora.app.settings import Options
from distillora.artifacts import ArmLayout, RunLayout
from distillora.errors import BundleError, InputError
from distillora.evaluation.results import Results
from distillora.inference.bundle import ONNX_FILES, Bundle, Precision
from distillora.inference.classifier import TextClassifier, starter_folder


@dataclass(frozen=True)
class Choice:
    """A model that the user can choose.

    Attributes:
        title: unique, for display and for links; without paths.
        folder: a bundle, or the folder of a trained arm.
        precision: the precision to run; None means the fastest in the bundle.
        is_arm: whether ``folder`` is an arm that must be converted first.
    """

    title: str
    folder: Path
    precision: Precision | None = None
    is_arm: bool = False


def find_choices(options: Options) -> list[Choice]:
    """List the models, the initial one first.

    Raises:
        BundleError: a folder is not a bundle, or no model was found.
        RunFolderError: the run is not finished.
    """
    found = [choice for folder in options.models for choice in _of_bundle(folder)]
    arms = _of_run(options.run) if options.run else []
    if not found:
        try:
            found = _of_bundle(starter_folder())
        except BundleError:
            if not arms:
                raise
    return _with_unique_titles([*found, *arms])


def arms_without_weights(run: Path) -> list[str]:
    """Return the names of a run's arms that have neither a bundle nor a model."""
    return [name for name, root in _arm_folders(run) if _usable(root) is None]


@st.cache_resource(show_spinner="Opening the model …", max_entries=12)
def open_classifier(choice: Choice) -> TextClassifier:
    """Open a model once for all visitors.

    Raises:
        InputError: an arm must be converted, and the packages for it are missing.
        IntegrityError: a file of the bundle is damaged.
    """
    folder = _convert(choice.folder) if choice.is_arm else choice.folder
    return TextClassifier(Bundle.open(folder), precision=choice.precision)


def model_bytes(classifier: TextClassifier) -> int:
    """Return the size of the model file that the classifier runs, in bytes."""
    return classifier.bundle.manifest.files[ONNX_FILES[classifier.precision]].bytes


def _of_bundle(folder: Path) -> list[Choice]:
    bundle = Bundle.open(folder)
    name = bundle.manifest.name
    if len(bundle.precisions) < 2:
        return [Choice(name, folder)]
    return [Choice(f"{name}, {p}", folder, p) for p in bundle.precisions]


def _of_run(run: Path) -> list[Choice]:
    choices = []
    for name, root in _arm_folders(run):
        folder = _usable(root)
        if folder is not None:
            title = f"{name} ({run.name})"
            choices.append(Choice(title, folder, is_arm=folder == root))
    return choices


def _arm_folders(run: Path) -> list[tuple[str, Path]]:
    """Return the name and the folder at the first seed of each arm with an encoder."""
    layout = RunLayout(run)
    first: dict[str, ArmLayout] = {}
    for arm in filter(lambda arm: arm.is_encoder, Results.load(layout.results).arms):
        first.setdefault(arm.name, layout.arm(arm.name, arm.seed))
    return [(name, arm.root) for name, arm in first.items()]


def _usable(arm: Path) -> Path | None:
    """Return the arm's bundle, or the arm if it can be converted, or None."""
    if (arm / "bundle").is_dir():
        return arm / "bundle"
    return arm if (arm / "model").is_dir() else None


def _convert(arm: Path) -> Path:
    if find_spec("torch") is None:
        raise InputError(
            f"{arm.parent.name} has not been exported yet, and exporting needs the training "
            "packages. Install the extra 'train' of distillora (in a clone of the repository: "
            "pip install '.[train]'), run "
            f"`distillora export {arm} --out FOLDER`, and start the app with `--model FOLDER`."
        )
    from distillora.exporting import convert_arm

    return convert_arm(arm)


def _with_unique_titles(choices: Iterable[Choice]) -> list[Choice]:
    unique: dict[str, Choice] = {}
    for choice in choices:
        title, number = choice.title, 1
        while title in unique:
            number += 1
            title = f"{choice.title} ({number})"
        unique[title] = replace(choice, title=title)
    return list(unique.values())
