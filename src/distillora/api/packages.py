"""What a function needs that may not be there: optional packages, and models on the Hub."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from distillora.errors import InputError


def require(group: str, *packages: str) -> None:
    """Fail early, and with the remedy, where an optional group is not installed.

    Raises:
        InputError: a package is missing.
    """
    if missing := [name for name in packages if find_spec(name) is None]:
        raise InputError(f"This needs {', '.join(missing)}: pip install 'distillora[{group}]'")


def require_training() -> None:
    """Fail early where PyTorch and what belongs to it is not installed.

    Raises:
        InputError: a package is missing.
    """
    require("train", "torch", "transformers", "peft")


def find_bundle(model: str | Path | None, token: str | None = None) -> Path:
    """Return the folder of a model: the starter's, a folder, or a download from the Hub.

    Raises:
        BundleError: the Hub has no such bundle, or there is no starter model.
        OfflineError: the Hub cannot be reached.
    """
    from distillora.inference.classifier import starter_folder

    if model is None:
        return starter_folder()
    folder = Path(model).expanduser()
    if isinstance(model, Path) or folder.exists() or find_spec("distillora.hub") is None:
        return folder
    named = hub().parse_model_id(model)
    return folder if named is None else Path(hub().fetch_bundle(*named, token=token))


def hub() -> Any:
    """Return the module that talks to the Hugging Face Hub, which takes long to import."""
    return import_module("distillora.hub")
