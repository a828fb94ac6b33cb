"""What a user gets who installs distillora, instead of working in its checkout."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
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
        "exporting/templates/card.md.j2",
        "app/style.css",
        "inference/starter/bundle.json",
        "inference/starter/model-int8.onnx",
        "py.typed",
    ):
        assert (tmp_path / "distillora" / file).is_file(), file


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new virtual environment with distillora without extras, as `pip install` makes it."""
    folder = tmp_path_factory.mktemp("base") / "venv"
    venv.create(folder, with_pip=True)
    pip = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--no-cache-dir"]
    subprocess.run([*pip, "--constraint", ROOT / "constraints.txt", ROOT], check=True)
    return folder


@pytest.mark.slow
def test_the_base_installation_is_small_and_predicts(base: Path, tmp_path: Path) -> None:
    size = sum(path.lstat().st_size for path in base.rglob("*") if path.is_file())
    assert size < 300e6
    command = [base / "bin" / "distillora", "predict", "--json", "thanks a lot!"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["label"] == "gratitude"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "extra"),
    [
        (["export", "runs/mine/arms/odd/seed-0", "--out", "bundle"], "train"),
        (["compare"], "train"),
        (["app"], "app"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else value,
)
def test_what_the_base_installation_lacks_is_named_with_the_remedy(
    base: Path, tmp_path: Path, words: list[str], extra: str
) -> None:
    command = [base / "bin" / "distillora", *words]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert f"pip install '.[{extra}]'" in done.stderr


@pytest.mark.parametrize(
    "code",
    [
        "import distillora",
        "import distillora; distillora.load().predict('thanks a lot!')",
    ],
)
def test_neither_import_nor_prediction_loads_torch_or_streamlit(code: str) -> None:
    command = [sys.executable, "-X", "importtime", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    loaded = {line.rsplit("|", 1)[-1].strip().split(".")[0] for line in done.stderr.splitlines()}
    assert "distillora" in loaded
    assert not loaded & {"torch", "streamlit", "transformers", "pandas", "pyarrow", "sklearn"}


def test_dependencies_are_those_of_the_constraints() -> None:
    from importlib.metadata import version

    for line in (ROOT / "constraints.txt").read_text().splitlines():
        if "==" in line:
            name, _, pinned = line.partition("==")
            assert version(name).split("+")[0] == pinned, name
