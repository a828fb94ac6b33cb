"""What a user gets who installs distillora, instead of working in its checkout."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_the_installed_package_brings_recipes_templates_and_the_sample(tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--target", str(tmp_path), str(ROOT)], check=True)
    for file in (
        "recipes/quickstart.yaml",
        "data/sample/train.tsv",
        "data/sample/labels.txt",
        "report/templates/report.html.j2",
        "py.typed",
    ):
        assert (tmp_path / "distillora" / file).is_file(), file


def test_dependencies_are_those_of_the_constraints() -> None:
    from importlib.metadata import version

    for line in (ROOT / "constraints.txt").read_text().splitlines():
        if "==" in line:
            name, _, pinned = line.partition("==")
            assert version(name).split("+")[0] == pinned, name
