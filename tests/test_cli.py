"""The command line as a new user meets it, wrong input included."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import distillora
from distillora.errors import DataError

Cli = Callable[..., Any]


@pytest.fixture
def broken_data(data_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(data_folder, tmp_path / "broken"))


@pytest.mark.slow
def test_compare_trains_reports_and_says_where(
    run_cli: Cli, write_recipe: Cli, tiny_recipe: dict[str, Any], tmp_path: Path
) -> None:
    del tiny_recipe["arms"]["hybrid"]
    out = tmp_path / "runs" / "mine"
    done = run_cli("compare", "--recipe", write_recipe(tiny_recipe), "--seeds", 2, "--out", out)
    assert done.code == 0, done.err
    assert "Accuracy" in done.out and "lora" in done.out
    assert str(out / "report.html") in done.out
    assert (out / "arms" / "odd" / "seed-1" / "result.json").is_file()

    (out / "report.html").unlink()
    again = run_cli("report", out)
    assert again.code == 0
    assert (out / "report.html").is_file()


def test_a_dry_run_shows_layers_parameters_and_steps_and_writes_nothing(
    run_cli: Cli, write_recipe: Cli, tiny_recipe: dict[str, Any], tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    path = write_recipe(tiny_recipe)
    done = run_cli("compare", "--recipe", path, "--set", "arms.lora.tuning.rank=16", "--dry-run")
    assert done.code == 0, done.err
    for words in ("1 3 5", "LoRA rank 16", "BertForSequenceClassification", "20"):
        assert words in done.out
    assert sorted(tmp_path.rglob("*")) == sorted([*before, path])


def test_data_audits_a_folder_and_saves_the_audit(
    run_cli: Cli, data_folder: Path, tmp_path: Path
) -> None:
    done = run_cli("data", data_folder, "--save", tmp_path / "audit.json")
    assert done.code == 0, done.err
    assert "train" in done.out and "60" in done.out
    assert '"duplicate_texts"' in (tmp_path / "audit.json").read_text()


def test_the_bundled_sample_can_be_audited_by_sentiment(run_cli: Cli) -> None:
    done = run_cli("data", "sample", "--taxonomy", "sentiment")
    assert done.code == 0, done.err
    assert "ambiguous" in done.out and "remorse" not in done.out


def spoil(path: Path, line: int, text: bytes) -> None:
    lines = path.read_bytes().splitlines()
    lines[line - 1] = text
    path.write_bytes(b"\n".join(lines) + b"\n")


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("train.tsv", b"only a text", ["train.tsv", "line 3", "only a text"]),
        ("dev.tsv", b"some text\tjoy\tid", ["dev.tsv", "line 3", "joy"]),
        ("test.tsv", b"some text\t77\tid", ["test.tsv", "line 3", "77", "4 label names"]),
        ("train.tsv", b"caf\xe9\t1\tid", ["train.tsv", "line 3", "UTF-8"]),
    ],
)
def test_a_bad_row_is_named_by_file_and_line(
    run_cli: Cli, broken_data: Path, file: str, text: bytes, words: list[str]
) -> None:
    spoil(broken_data / file, 3, text)
    done = run_cli("data", broken_data)
    assert done.code == 2
    for word in words:
        assert word in done.err
    assert "Traceback" not in done.err


def test_settings_in_messages_are_written_as_each_front_end_takes_them(
    run_cli: Cli, tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    path.write_text("text,label\nx,a\ny,\n")
    done = run_cli("data", path)
    assert done.code == 2 and "leave them out with --set data.drop_incomplete=true." in done.err
    with pytest.raises(DataError, match=r'with `settings=\{"data.drop_incomplete": True\}`\.'):
        distillora.audit(path)


def test_an_empty_training_split_is_refused(run_cli: Cli, broken_data: Path) -> None:
    (broken_data / "train.tsv").write_bytes(b"")
    done = run_cli("data", broken_data)
    assert done.code == 2
    assert "train" in done.err and "empty" in done.err


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["compare", "--recipe", "quikstart"], "Did you mean 'quickstart'?"),
        (["compare", "--recipe", "quickstart", "--set", "traning.epochs=1"], "'training'"),
        (["compare", "--recipe", "quickstart", "--set", "epochs"], "key.path=value"),
        (["compare", "--recipe", "quickstart", "--data", "no/such/folder"], "no/such/folder"),
        (["compare", "--recipe", "quickstart", "--seeds", "0"], "--seeds"),
        (["data", "no/such/folder"], "no/such/folder"),
        (["data", "sample", "--taxonomy", "plutchik"], "plutchik"),
        (["report", "no/such/run"], "no/such/run"),
        (["compres"], "compres"),
    ],
)
def test_a_mistake_exits_with_2_and_says_what_is_wrong(
    run_cli: Cli, tmp_path: Path, monkeypatch: Any, words: list[str], expected: str
) -> None:
    monkeypatch.chdir(tmp_path)
    done = run_cli(*words)
    assert done.code == 2
    assert expected in done.err
    assert "Traceback" not in done.err
    assert not list(tmp_path.iterdir())


def test_the_help_gives_the_defaults_of_recipe_and_folder(run_cli: Cli) -> None:
    said = " ".join(run_cli("compare", "--help").out.replace("│", " ").split())
    assert "By default goemotions-minilm" in said and "By default runs/" in said


def test_the_version_is_printed(run_cli: Cli) -> None:
    from distillora import __version__

    assert run_cli("--version").out.strip() == f"distillora {__version__}"


def test_importing_distillora_loads_no_heavy_library() -> None:
    import subprocess
    import sys

    code = "import sys, distillora, distillora.cli; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
