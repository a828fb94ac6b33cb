"""The published figures that a recipe names, where the run measured the same."""

from __future__ import annotations

from distillora.evaluation.results import Results
from distillora.recipe import Published


def find_published(results: Results) -> Published | None:
    """Return the published figures that the recipe names.

    Returns:
        None if it names none, or if they are of another task or another test split than the run's.
    """
    named = results.recipe.get("published")
    if named is None:
        return None
    published, data = Published.model_validate(named), results.data
    same = published.task == data.task and published.test_sha256 == data.sha256.get("test")
    return published if same else None
