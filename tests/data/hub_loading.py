"""Reading a data set of the stand-in for the Hub, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from hub import hub_environment

LOAD = """
import json, sys
from distillora.data.sources import load_dataset
from distillora.errors import DistilloraError
from distillora.recipe import Data
try:
    dataset = load_dataset(Data.model_validate_json(sys.argv[1]))
except DistilloraError as error:
    print(f"{type(error).__name__}: {error}")
else:
    rows = {name: [s.texts, s.labels, s.ids] for name, s in dataset.splits.items()}
    print(json.dumps({"source": dataset.source, "labels": dataset.label_names, "splits": rows}))
"""


def run_load(url: str, home: Path, data: str) -> str:
    """Return the rows, labels and source of a recipe's ``data`` as JSON, or the error's message.

    Args:
        url: of the Hub.
        home: of its cache.
        data: as JSON.
    """
    done = subprocess.run(
        [sys.executable, "-c", LOAD, data],
        env=hub_environment(url, home),
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
