"""What every section of a recipe is, and its numbers."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict


def _refuse_bool(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("a number is needed, not true or false")
    return value


Number = Annotated[float, BeforeValidator(_refuse_bool)]
Count = Annotated[int, BeforeValidator(_refuse_bool)]


def flatten(values: Any, path: str = "") -> dict[str, Any]:
    """Return nested settings by their path.

    >>> flatten({"training": {"epochs": 3, "warmup": 0.1}})
    {'training.epochs': 3, 'training.warmup': 0.1}
    """
    if not isinstance(values, dict):
        return {path: values}
    return {
        key: leaf
        for name, value in values.items()
        for key, leaf in flatten(value, f"{path}.{name}" if path else str(name)).items()
    }


class Section(BaseModel):
    """A part of a recipe."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())
