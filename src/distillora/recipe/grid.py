"""Grids: an arm with a grid is short for one arm for each combination of its values."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Mapping
from typing import Any

Values = dict[str, Any]


def expand_grids(arms: Mapping[str, Any]) -> Values:
    """Replace each arm that has a ``grid`` by one arm for each combination.

    A grid maps the path of a key inside the arm to a list of values; the values, joined with
    dashes, end the names of the arms that it makes.

    Raises:
        ValueError: a grid is not a mapping of lists, or it makes an arm that there is already.

    >>> list(expand_grids({"lr": {"grid": {"training.learning_rate": [0.001, 0.002]}}}))
    ['lr-0.001', 'lr-0.002']
    """
    expanded: Values = {}
    for name, arm in arms.items():
        made = _expand(name, arm) if isinstance(arm, Mapping) and "grid" in arm else {name: arm}
        if twice := sorted(set(made) & set(expanded)):
            raise ValueError(f"arms.{name}: there is an arm '{twice[0]}' already")
        expanded |= made
    return expanded


def _expand(name: str, arm: Mapping[str, Any]) -> Values:
    grid = arm["grid"]
    if not isinstance(grid, Mapping) or not grid:
        raise ValueError(f"arms.{name}.grid: give keys of the arm, each with a list of values")
    for key, values in grid.items():
        if not isinstance(values, list | tuple) or not values:
            raise ValueError(f"arms.{name}.grid.{key}: give a list of values")
    plain = {key: value for key, value in arm.items() if key != "grid"}
    made = {}
    for combination in itertools.product(*grid.values()):
        one = copy.deepcopy(plain)
        for key, value in zip(grid, combination, strict=True):
            _set(one, f"arms.{name}.grid.{key}", str(key).split("."), value)
        made["-".join([name, *map(_name, combination)])] = one
    return made


def _set(arm: Values, where: str, path: list[str], value: Any) -> None:
    node = arm
    for part in path[:-1]:
        node = node.setdefault(part, {})
        if not isinstance(node, dict):
            raise ValueError(f"{where}: '{part}' has no keys")
    node[path[-1]] = value


def _name(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list | tuple):
        return ".".join(map(_name, value))
    return str(value)
