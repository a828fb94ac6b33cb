"""Where a user's ``--data`` leads: the keys of a recipe's ``data`` that say the same."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from distillora.artifacts import RunLayout
from distillora.data.parquet import has_fixed_columns
from distillora.data.stored import is_stored
from distillora.data.tables import TABLE_EXTENSIONS, find_split_files, is_table
from distillora.errors import InputError, did_you_mean
from distillora.recipe import read_recipe

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
# what the keys of a place leave behind when the data comes from another
_PLACE_KEYS = ("source", "path", "validation_path", "test_path")
_HUB_KEYS = ("hub_id", "hub_config", "hub_revision")
TABLE_KEYS = ("text_column", "label_column", "label_separator", "split_column")


def locate(place: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return a recipe's ``data`` as it was, but read from another place.

    Args:
        place: ``hub`` (the recipe's own data set there), ``sample``, a table, a folder, or the
            ``owner/name`` of a data set on the Hub.
        settings: the recipe's ``data``, not validated yet.

    Raises:
        InputError: there is no such file, or it is no table.
    """
    if place in ("hub", "sample"):
        kept = {key: value for key, value in settings.items() if key not in _PLACE_KEYS}
        return {**kept, "source": place}
    path = Path(place).expanduser()
    if path.is_dir():
        table = _is_folder_of_tables(path, settings)
        return {**settings, "source": "table" if table else "folder", "path": str(path)}
    if path.exists() or is_table(path):
        _check_file(path)
        return {**settings, "source": "table", "path": str(path)}
    if _HUB_ID.fullmatch(place):
        own = (*_PLACE_KEYS, *(_HUB_KEYS if settings.get("hub_id") != place else ()))
        kept = {key: value for key, value in settings.items() if key not in own}
        return {**kept, "source": "hub", "hub_id": place}
    raise InputError(f"{_absent(path)} {_WAYS}")


def recall(place: str, run: Path) -> dict[str, Any] | None:
    """Return the ``source`` and ``path`` of a place that is gone, as a run remembers it.

    Args:
        place: a file or folder.
        run: the folder of a run.

    Returns:
        None if the place is still there, or the run did not read its data from it or has no copy.
    """
    path, layout = Path(place).expanduser(), RunLayout(run)
    if path.exists() or not is_stored(layout.data) or not layout.recipe.is_file():
        return None
    data = read_recipe(str(layout.recipe)).get("data") or {}
    if data.get("path") != str(path):
        return None
    return {key: data[key] for key in ("source", "path")}


_WAYS = (
    f"The data is a table ({', '.join(TABLE_EXTENSIONS)}), a folder with a file for each split, "
    "'hub', 'sample', or the owner/name of a data set on the Hub."
)


def _is_folder_of_tables(folder: Path, settings: Mapping[str, Any]) -> bool:
    """Whether a folder holds tables with a header, not GoEmotions' own format.

    That format has ``train.tsv`` without a header and ``labels.txt``, or Parquet files with the
    columns text, labels and id; it keeps a folder that is neither, so that its message is shown.
    """
    if settings.get("source") == "table" or any(settings.get(key) for key in TABLE_KEYS):
        return True
    if (folder / "labels.txt").is_file():
        return False
    train = find_split_files(folder)["train"]
    return bool(train) and not all(_has_fixed_columns(path) for path in train)


def _has_fixed_columns(path: Path) -> bool:
    return path.suffix.lower() == ".parquet" and has_fixed_columns(path)


def _check_file(path: Path) -> None:
    if not path.exists():
        raise InputError(_absent(path))
    if not is_table(path):
        raise InputError(
            f"{path} is no table that distillora can learn from. Save it as one of "
            f"{', '.join(TABLE_EXTENSIONS)}, with a header."
        )


def _absent(path: Path) -> str:
    hint = ""
    if path.parent.is_dir():
        near = [one.name for one in path.parent.iterdir() if is_table(one) or one.is_dir()]
        hint = did_you_mean(path.name, near)
        hint = hint if "Did you mean" in hint else ""
    return f"{path} does not exist.{hint}"
