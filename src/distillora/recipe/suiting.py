"""Settings that a recipe leaves open, chosen to suit the data."""

from __future__ import annotations

import math
from typing import Any, Literal

from distillora.recipe.loading import parse_recipe
from distillora.recipe.schema import Recipe

_STEPS = 600
_FEWEST_EPOCHS, _MOST_EPOCHS = 3, 12


def training_for_size(rows: int, method: Literal["full", "lora"] = "full") -> dict[str, Any]:
    """Return ``epochs``, ``batch_size`` and ``learning_rate`` for that many training texts.

    A new head on a pretrained encoder needs some hundred optimizer steps to leave its random
    start, however few texts there are. So:

    - ``batch_size`` is 8 below 1,000 texts, which doubles the steps of an epoch; 16 up to 50,000;
      then 32, since larger batches are faster and there are steps enough.
    - ``epochs`` makes about 600 steps: at least 3, at most 12, beyond which a small data set is
      overfitted. The epoch that is kept is chosen on validation, so one too many does no harm.
    - ``learning_rate`` is for the bundled encoder, with a new head at ten times as much (see
      ``Training``): 1e-4 up to 3,000 texts, the best on ``emotion-en`` (1,900 texts), and 2e-4
      from 30,000 on, the best on GoEmotions, with a straight line in between, over the logarithm
      of the number of texts. LoRA on all linear modules trains fewer weights, which start from
      zero, and takes ten times as much.

    >>> training_for_size(500)
    {'epochs': 10, 'batch_size': 8, 'learning_rate': 0.0001}
    >>> training_for_size(40_000, "lora")
    {'epochs': 3, 'batch_size': 16, 'learning_rate': 0.002}
    """
    batch_size = 8 if rows < 1_000 else 16 if rows <= 50_000 else 32
    epochs = math.ceil(_STEPS / math.ceil(rows / batch_size))
    rate = 1e-4 if method == "full" else 1e-3
    # 0 up to 3,000 texts, 1 from 30,000 on
    place = min(max(math.log10(rows / 3_000), 0.0), 1.0)
    return {
        "epochs": min(max(epochs, _FEWEST_EPOCHS), _MOST_EPOCHS),
        "batch_size": batch_size,
        "learning_rate": float(f"{rate * 2**place:.2g}"),
    }


def suit_recipe(recipe: Recipe, rows: int, *, multi_label: bool) -> tuple[Recipe, tuple[str, ...]]:
    """Fill in what a recipe leaves open to suit its data; what it sets stays.

    This is for data in any format but GoEmotions' own, whose recipes have their own defaults. The
    learning rate is only chosen if every arm begins with the bundled encoder.

    Args:
        recipe: as parsed, so that ``model_fields_set`` has the keys that were set.
        rows: training texts.
        multi_label: whether a row has several labels.

    Returns:
        The recipe, and in words what was chosen.
    """
    if recipe.data.is_goemotions:
        return recipe, ()
    values = recipe.model_dump(mode="json", exclude_unset=True)
    notes: list[str] = []
    if "task" not in recipe.model_fields_set:
        values["task"] = "multi_label" if multi_label else "single_label"
        notes.append(
            f"{'Some rows have several labels' if multi_label else 'Each row has one label'}"
            f": task {values['task']}."
        )
    elif multi_label and not recipe.multi_label:
        notes.append("The task is single_label, so only the first label of a row counts.")
    chosen = _choose_training(recipe, rows)
    if chosen:
        values["training"] = {**values.get("training", {}), **chosen}
    rates = _choose_lora_rates(recipe, rows)
    for name, rate in rates.items():
        own = values["arms"][name].get("training", {})
        values["arms"][name]["training"] = {**own, "learning_rate": rate}
    if chosen or rates:
        notes.append(_describe_choice(rows, chosen, rates))
    return parse_recipe(values, recipe.name), tuple(notes)


def _choose_training(recipe: Recipe, rows: int) -> dict[str, Any]:
    wanted = training_for_size(rows)
    if not _begins_with_bundled(recipe):
        del wanted["learning_rate"]
    return {k: v for k, v in wanted.items() if k not in recipe.training.model_fields_set}


def _choose_lora_rates(recipe: Recipe, rows: int) -> dict[str, float]:
    """Return the learning rate of each LoRA arm that is given none, not by the recipe either."""
    if not _begins_with_bundled(recipe):
        return {}
    rate = training_for_size(rows, "lora")["learning_rate"]
    return {
        name: rate
        for name, arm in recipe.arms.items()
        if arm.tuning.method == "lora" and "learning_rate" not in arm.training.model_fields_set
    }


def _begins_with_bundled(recipe: Recipe) -> bool:
    return all(
        arm.init.arm or arm.init.ensemble or arm.init.backbone == "bundled"
        for arm in recipe.arms.values()
    )


def _describe_choice(rows: int, chosen: dict[str, Any], rates: dict[str, float]) -> str:
    parts = [f"{key} {value:g}" for key, value in chosen.items()]
    parts += [f"learning_rate {rate:g} for {name}" for name, rate in rates.items()]
    return (
        f"Chosen for {rows:,} training texts: {', '.join(parts)}. "
        "To choose yourself, set training.epochs and so on."
    )
