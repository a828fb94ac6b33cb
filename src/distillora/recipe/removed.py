"""Settings that distillora no longer has: no recorded run showed that they help.

Recipes and fingerprints that an earlier version wrote out name them, with their defaults. Those are
left out, which changes nothing. Any other value is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

LAST_COMMIT = "bd36da9"
"""The last commit that has them."""

DEFAULTS: dict[str, dict[str, Any]] = {
    "tuning": {"initialisation": "default", "plus_ratio": 1.0, "full_layers": []},
    "objective": {"gamma_pos": 0.0, "gamma_neg": 4.0, "margin": 0.05, "label_smoothing": 0.0},
}
"""The default of each setting, by the section that had it."""

_CHOICES = {"layers": "searched", "label_loss": "asymmetric"}


def drop_defaults(section: str, values: Any) -> Any:
    """Return the values of a section without removed settings that have their default."""
    if not isinstance(values, Mapping):
        return values
    gone = DEFAULTS[section]
    return {k: v for k, v in values.items() if k not in gone or v != gone[k]}


def drop_flat_defaults(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Do the same for settings by their path, such as ``tuning.plus_ratio``."""
    gone = {f"{s}.{key}": v for s, values in DEFAULTS.items() for key, v in values.items()}
    return {k: v for k, v in settings.items() if k not in gone or v != gone[k]}


def explain_removal(location: list[str], given: Any) -> str:
    """Return a sentence to add to the error about a setting; empty if it was never one."""
    section, key = ["", "", *location][-2:]
    is_choice = key in _CHOICES and given == _CHOICES[key]
    if not is_choice and key not in DEFAULTS.get(section, ()):
        return ""
    return f" It was removed, as no run showed that it helps; commit {LAST_COMMIT} has it."
