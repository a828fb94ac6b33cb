"""Arms and their settings in words, for plans, messages and results."""

from __future__ import annotations

from collections.abc import Iterable

from distillora.pipeline.tasks import Task
from distillora.recipe import LoraTuning, Objective


def name_tasks(tasks: Iterable[Task]) -> str:
    """List arms, each with its seeds.

    >>> name_tasks([Task("odd", 0), Task("odd", 1), Task("lora", 0)])
    'odd (seeds 0, 1), lora (seed 0)'
    """
    seeds: dict[str, list[int]] = {}
    for arm, seed in tasks:
        seeds.setdefault(arm, []).append(seed)
    return ", ".join(
        f"{arm} (seed{'s' if len(own) > 1 else ''} {', '.join(map(str, own))})"
        for arm, own in seeds.items()
    )


def describe_label_loss(objective: Objective) -> str:
    """Say in parentheses what is not plain in the label loss."""
    settings = {
        "plain": "",
        "weighted": "weighted",
        "focal": f"focal, gamma {objective.focal_gamma:g}",
    }[objective.label_loss]
    return settings and f" ({settings})"


def describe_lora(tuning: LoraTuning, targets: tuple[str, ...]) -> str:
    """One line on adapters; what is as by default goes without saying."""
    groups = {
        "attention": f"the {len(targets)} linear modules of every attention",
        "all": f"all {len(targets)} linear modules of every layer",
    }
    where = groups.get(tuning.targets) if isinstance(tuning.targets, str) else None
    scale = f" (rank-stabilised, scale {tuning.scale:.3g})" if tuning.rslora else ""
    return (
        f"{'DoRA' if tuning.dora else 'LoRA'} rank {tuning.rank}, alpha {tuning.alpha:g}{scale}, "
        f"dropout {tuning.dropout:g} on {where or ', '.join(targets)}"
    )
