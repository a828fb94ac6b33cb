"""Whether the parts of a run's results were made from one another, as their fingerprints say."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

from distillora.errors import IntegrityError
from distillora.evaluation.results import ArmResult, Results

EXTRA_TEXT = "extra text"
"""What a fingerprint calls the texts without labels that its arm learnt from."""


def check_chain(results: Results) -> None:
    """Make sure that every arm was made from this run's data and from this run's other arms.

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
            yield f"'{name}' averages other models than those of this run"
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
