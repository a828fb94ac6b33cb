"""Whether a run's results fit its folder, and fit one another as their fingerprints say."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from pydantic import ValidationError

from distillora.artifacts import ArmLayout, RunLayout, find_damage, write_atomic
from distillora.data.stored import AboutData, is_stored
from distillora.errors import IntegrityError, ModelError, RunFolderError
from distillora.evaluation.predictions import has_recorded_checksum
from distillora.evaluation.results import ArmResult, Record, Results
from distillora.models.backbones import load_classifier
from distillora.models.hashes import weights_sha256
from distillora.models.tfidf import TfidfClassifier

_OWN_FORMATS: Mapping[str, Callable[[Path], str]] = {
    TfidfClassifier.__name__: lambda folder: TfidfClassifier.load(folder).sha256,
}
"""How to hash the weights of a model that transformers does not load, by the model's class."""

EXTRA_TEXT = "extra text"
"""The key, in a fingerprint, of the texts without labels that its arm learnt from."""

_SPEED = {"shape", "latency_ms", "throughput", "device"}


class Renewal(Record):
    """``renewal.json``: the arms, as name and seed, that are being made again.

    Attributes:
        trained: those that are trained again.
        scored: those that are only scored again.
    """

    trained: tuple[tuple[str, int], ...]
    scored: tuple[tuple[str, int], ...]

    @classmethod
    def read(cls, run: RunLayout) -> Renewal | None:
        """Read it; None if nothing is being made again."""
        try:
            return cls.model_validate_json(run.renewal.read_bytes())
        except (FileNotFoundError, ValidationError):
            return None


def note_renewal(
    run: RunLayout, trained: Set[tuple[str, int]], scored: Set[tuple[str, int]]
) -> None:
    """Write which arms are about to be made again, beside those of an interrupted renewal."""
    if (before := Renewal.read(run)) is not None:
        trained = trained | set(before.trained)
        scored = (scored | set(before.scored)) - trained
    renewal = Renewal(trained=tuple(sorted(trained)), scored=tuple(sorted(scored)))
    write_atomic(run.renewal, renewal.model_dump_json(indent=1))


class WeightsFault(NamedTuple):
    """A fault of stored weights: the file, and what it is in words."""

    path: Path
    what: str


def load_results(run: RunLayout) -> Results:
    """Read the results of a finished run.

    Raises:
        RunFolderError: there are none; the message names the arms that are being made again.
        IntegrityError: they are torn, or of another schema version.
    """
    if not run.results.is_file() and (renewal := Renewal.read(run)) is not None:
        raise RunFolderError(
            f"{run.root} holds no finished run: {_describe_renewal(run, renewal)}. "
            "Run the same `distillora compare` command to finish."
        )
    return Results.load(run.results)


def check_finished(run: RunLayout, results: Results) -> None:
    """Check that no arm of the results is being made again.

    Raises:
        RunFolderError: which arms are.
    """
    trained: list[tuple[str, int]] = []
    scored: list[tuple[str, int]] = []
    for arm in results.arms:
        folder = run.arm(arm.name, arm.seed)
        if folder.fingerprint.is_file() and not folder.result.is_file():
            (scored if folder.training.is_file() else trained).append((arm.name, arm.seed))
    if trained or scored:
        unfinished = Renewal(trained=tuple(trained), scored=tuple(scored))
        raise RunFolderError(
            f"{run.root} does not fit its results.json: {_describe_renewal(run, unfinished)}. "
            "Run the same `distillora compare` command to finish."
        )


def check_run(run: RunLayout, results: Results) -> tuple[str, ...]:
    """Check that a run's folder holds what its results were made from.

    Weights, predictions and data are compared with their recorded hashes, and each arm's own
    ``result.json`` with its entry. What is not in the folder cannot be compared: recorded results
    come without weights.

    Returns:
        Notes on what could not be checked: missing files, and a recipe that asks for other arms.

    Raises:
        RunFolderError: something in the folder is not what was recorded, or an arm is being made
            again; the message names each arm and file.
    """
    check_finished(run, results)
    faults = [*_data_faults(run, results)]
    for arm in results.arms:
        faults += _arm_faults(run, arm, results)
    _refuse(run, faults)
    return (*_note_missing(run, results.arms), *_note_recipe(run, results))


def check_arm(run: RunLayout, arm: ArmResult, results: Results) -> None:
    """Check one arm and the run's data in the same way.

    Raises:
        RunFolderError: which file is not what was recorded.
    """
    _refuse(run, [*_data_faults(run, results), *_arm_faults(run, arm, results)])


def find_weights_fault(
    folder: Path, sha256: str, architecture: str, labels: Sequence[str], *, multi_label: bool
) -> WeightsFault | None:
    """Compare the weights in a folder with the hash that was recorded when they were trained.

    Args:
        folder: the ``model/`` of an arm.
        sha256: of the weights, as loaded.
        architecture: the class of the model that was trained.
        labels: label names, label 0 first.
        multi_label: whether a text may have several of them.
    """
    if (damaged := find_damage(folder)) is not None:
        return WeightsFault(damaged, "damaged")
    try:
        if architecture in _OWN_FORMATS:
            found = _OWN_FORMATS[architecture](folder)
        else:
            model = load_classifier(str(folder), None, labels, multi_label=multi_label)
            found = weights_sha256(model)
    except (ModelError, IntegrityError):  # sealed, so another model: of other labels, of other kind
        found = ""
    if found == sha256:
        return None
    weights = next(iter(sorted(folder.glob("*.safetensors"))), folder)
    return WeightsFault(weights, "not those that were trained")


def _refuse(run: RunLayout, faults: Sequence[str]) -> None:
    if faults:
        listed = "\n".join(f"  {fault}" for fault in faults)
        raise RunFolderError(
            f"{run.root} does not fit its results.json:\n{listed}\n"
            "Put the files back, or run the same `distillora compare` command again: it says what "
            "changed, and with `retrain_changed` makes it again."
        )


def _data_faults(run: RunLayout, results: Results) -> Iterator[str]:
    if not is_stored(run.data):
        return
    about = AboutData.read(run.data)
    for split, digest in results.data.sha256.items():
        if about.sha256.get(split) != digest:
            yield f"{run.data.name}/ holds another {split} split"
    timed = results.measurement and results.measurement.test_sha256
    if timed and timed != results.data.sha256.get("test"):
        yield "the speed in results.json was measured on another test split"
    for path, record in results.data.extra_text.items():
        if path not in about.extra or about.extra[path].record != record:
            yield f"{run.data.name}/ holds other extra texts of {path}"


def _arm_faults(run: RunLayout, arm: ArmResult, results: Results) -> Iterator[str]:
    folder = run.arm(arm.name, arm.seed)
    if folder.result.is_file() and not _says_the_same(folder, arm):
        yield f"{_name(arm)}: {_place(run, folder.result)} differs from results.json"
    predictions = run.root / arm.predictions
    if predictions.is_file() and not has_recorded_checksum(run.root, arm):
        yield f"{_name(arm)}: {arm.predictions} changed after it was written"
    if arm.is_ensemble or not folder.model.is_dir():
        return
    fault = find_weights_fault(
        folder.model,
        arm.weights_sha256,
        arm.architecture,
        results.data.labels,
        multi_label=results.data.task == "multi_label",
    )
    if fault is not None:
        yield f"{_name(arm)}: {_place(run, fault.path)}: the weights on disk are {fault.what}"


def _says_the_same(folder: ArmLayout, arm: ArmResult) -> bool:
    try:
        own = ArmResult.model_validate_json(folder.result.read_bytes())
    except (OSError, ValueError):
        return False
    # without the speed, which is measured later and is only in the results
    said, recorded = (result.model_dump(exclude={"cost": _SPEED}) for result in (own, arm))
    return said == recorded


def _note_missing(run: RunLayout, arms: Sequence[ArmResult]) -> Iterator[str]:
    folders = {_name(arm): run.arm(arm.name, arm.seed) for arm in arms}
    if not any(own.model.is_dir() or own.result.is_file() for own in folders.values()):
        return  # recorded results, which come without
    weights = [_name(arm) for arm in arms if not arm.is_ensemble]
    missing = {
        "weights": [name for name in weights if not folders[name].model.is_dir()],
        "predictions": [_name(a) for a in arms if not (run.root / a.predictions).is_file()],
    }
    for what, names in missing.items():
        if names:
            yield (
                f"The run's folder no longer holds the {what} of {'; '.join(names)}: whether these "
                "are still what the figures are about cannot be checked."
            )


def _note_recipe(run: RunLayout, results: Results) -> Iterator[str]:
    if not run.recipe.is_file():
        return
    asked = yaml.safe_load(run.recipe.read_text("utf-8"))
    if _arms_and_seeds(asked) != _arms_and_seeds(results.recipe):
        yield (
            "The run's recipe.yaml asks for other arms or seeds than these results have: the last "
            "`distillora compare` into this folder did not finish. Run the same command to finish."
        )


def _arms_and_seeds(recipe: dict[str, Any]) -> tuple[set[str], list[int]]:
    return set(recipe.get("arms", ())), list(recipe.get("seeds", ()))


def _describe_renewal(run: RunLayout, renewal: Renewal) -> str:
    parts = []
    for how, tasks in (("trained", renewal.trained), ("scored", renewal.scored)):
        left = [
            f"{arm}, seed {seed}" for arm, seed in tasks if not run.arm(arm, seed).result.is_file()
        ]
        if left:
            are = "is" if len(left) == 1 else "are"
            parts.append(f"{'; '.join(left)} {are} being {how} again")
    return ", and ".join(parts) or "its results are being put together again"


def _name(arm: ArmResult) -> str:
    return f"{arm.name}, seed {arm.seed}"


def _place(run: RunLayout, path: Path) -> str:
    return path.relative_to(run.root).as_posix()


def check_chain(results: Results) -> None:
    """Check that every arm was made from this run's data and from this run's other arms.

    Arms from before there were fingerprints are not checked.

    Raises:
        IntegrityError: an arm was made from other data or other weights; the message names both.
    """
    problems = [problem for arm in results.arms for problem in _find_problems(arm, results)]
    if problems:
        listed = "\n".join(f"  {problem}" for problem in problems)
        raise IntegrityError(
            f"The results contradict themselves:\n{listed}\n"
            "Run `distillora compare` with the same `out`: it says what changed, and with "
            "`retrain_changed` makes it again."
        )


def ensemble_sha256(members: Sequence[str]) -> str:
    """Return the hash of an ensemble: that of the hashes of its members' weights, in order."""
    return hashlib.sha256("\n".join(members).encode()).hexdigest()


def _find_problems(arm: ArmResult, results: Results) -> Iterator[str]:
    name = f"{arm.name}, seed {arm.seed}"
    models = {f"{other.name}, seed {other.seed}": other for other in results.arms}
    if arm.is_ensemble:
        own = [models[member].weights_sha256 for member in arm.members if member in models]
        if arm.weights_sha256 != ensemble_sha256(own):
            yield f"'{name}' averages models that are not this run's"
    if arm.fingerprint is None:
        return
    for split, digest in results.data.sha256.items():
        if arm.fingerprint.data.get(split) != digest:
            yield f"'{name}' was made with other {split} rows than those of this run"
    if arm.fingerprint.data.get(EXTRA_TEXT) != _extra_text(arm, results):
        yield f"'{name}' was made with other extra texts than those of this run"
    for parent, digest in arm.fingerprint.parents.items():
        if parent not in models or models[parent].identity != digest:
            yield f"'{name}' was made from other weights of '{parent}' than those of this run"


def _extra_text(arm: ArmResult, results: Results) -> str | None:
    """Return the hash of the extra texts that the recipe gives an arm; None if it gives none."""
    objective = results.recipe["arms"].get(arm.name, {}).get("objective", {})
    path = objective.get("extra_text")
    if path is None:
        return None
    found = results.data.extra_text.get(path)
    return "" if found is None else found.sha256
