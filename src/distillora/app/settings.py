"""The options of the app, and the settings of Streamlit."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from distillora.artifacts import RunLayout
from distillora.errors import DataError
from distillora.evaluation.results import Results
from distillora.inference.bundle import Bundle
from distillora.inference.classifier import starter_folder

MAX_UPLOAD_MB = 20

# the colours of the report; text has a contrast of at least 4.5 to 1
CONFIG: dict[str, dict[str, Any]] = {
    "browser": {"gatherUsageStats": False},
    "client": {"toolbarMode": "viewer", "showErrorDetails": "none"},
    "server": {"maxUploadSize": MAX_UPLOAD_MB, "fileWatcherType": "none"},
    "theme": {"baseRadius": "0.5rem", "showWidgetBorder": True},
    "theme.light": {
        "primaryColor": "#2b5fd9",
        "backgroundColor": "#ffffff",
        "secondaryBackgroundColor": "#f4f6f9",
        "textColor": "#1c2431",
        "linkColor": "#2b5fd9",
        "borderColor": "#d3d9e2",
    },
    "theme.dark": {
        "primaryColor": "#82abff",
        "backgroundColor": "#0f1217",
        "secondaryBackgroundColor": "#191e27",
        "textColor": "#e6eaf1",
        "linkColor": "#82abff",
        "borderColor": "#364050",
    },
}


@dataclass(frozen=True)
class Options:
    """The options of ``distillora app``.

    Attributes:
        models: bundles; the starter model if there are none.
        run: a run whose arms and report are shown.
        data: the folder to draw examples from; None for the bundled sample.
    """

    models: tuple[Path, ...] = ()
    run: Path | None = None
    data: Path | None = None

    def words(self) -> list[str]:
        """Return the command-line arguments that ``parse`` reads."""
        words = [f"--model={path.resolve()}" for path in self.models]
        words += [f"--run={self.run.resolve()}"] if self.run else []
        words += [f"--data={self.data.resolve()}"] if self.data else []
        return words

    @classmethod
    def parse(cls, words: Sequence[str]) -> Self:
        """Read the arguments of the script."""
        parser = argparse.ArgumentParser(add_help=False)
        parser.add_argument("--model", type=Path, action="append", default=[])
        parser.add_argument("--run", type=Path)
        parser.add_argument("--data", type=Path)
        read = parser.parse_args(words)
        return cls(tuple(read.model), read.run, read.data)


def streamlit_flags() -> list[str]:
    """Return the settings as flags of ``streamlit run``, so that they apply in any folder."""
    return [
        f"--{section}.{key}={str(value).lower() if isinstance(value, bool) else value}"
        for section, values in CONFIG.items()
        for key, value in values.items()
    ]


def check_options(options: Options) -> None:
    """Open everything that the app would open, so that errors appear before it starts.

    Raises:
        BundleError: a folder is not a bundle, or no model was found.
        RunFolderError: the run is not finished.
        DataError: the data folder is not a folder.
    """
    for folder in options.models:
        Bundle.open(folder)
    if options.run is not None:
        Results.load(RunLayout(options.run).results)
    elif not options.models:
        Bundle.open(starter_folder())
    if options.data is not None and not options.data.is_dir():
        raise DataError(f"{options.data} is not a folder. Give a folder with a data set.")
