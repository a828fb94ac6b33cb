"""Requirements of the public functions: optional packages, and models on the Hub."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from distillora.errors import InputError


def require(extra: str, *packages: str) -> None:
    """Check early that the packages of an extra are installed.

    Raises:
        InputError: a package is missing; the message has the command that installs it.
    """
    if missing := [name for name in packages if find_spec(name) is None]:
        raise InputError(
            f"This needs {', '.join(missing)}: install the extra '{extra}' of distillora, in a "
            f"clone of the repository with: pip install '.[{extra}]'"
        )


def require_training() -> None:
    """Check early that the packages for training are installed.

    Raises:
        InputError: a package is missing.
    """
    require("train", "torch", "transformers", "peft")


def find_bundle(
    model: str | Path | None,
    token: str | None = None,
    notify: Callable[[str], None] | None = None,
) -> Path:
    """Return the folder of a model: the starter's, a local one, or a download from the Hub.

    Raises:
        BundleError: the starter model is missing, or the repository on the Hub contains no bundle.
        HubError: no such repository or revision, or no permission.
        OfflineError: the Hub cannot be reached.
    """
    if model is None:
        from distillora.inference.classifier import starter_folder

        return starter_folder()
    from distillora.hub import locate_bundle

    return locate_bundle(model, token=token, notify=notify)
