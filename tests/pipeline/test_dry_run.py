"""What the command line says of a run that is there: its plan, its data, its folder."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from distillora.evaluation.results import Results
from identity import ARMS, Made, of

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("quick_ends")]

Cli = Callable[..., Any]


@pytest.fixture
def continue_run(run_cli: Cli, write_recipe: Cli, again: Made, monkeypatch: Any) -> Cli:
    """Give the command of the finished run again, with further words."""

    def run(*words: object, out: Path | None = None) -> Any:
        recipe = write_recipe(again.values)
        return run_cli("compare", "--recipe", recipe, "--out", out or again.layout.root, *words)

    return run


def stamps(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def state_in(out: str, folder: Path) -> str:
    return out[out.index(f"{folder} holds:") :]


def test_a_dry_run_of_a_finished_run_says_so(again: Made, continue_run: Cli) -> None:
    done = continue_run("--dry-run")
    assert done.code == 0, done.err
    assert state_in(done.out, again.layout.root).splitlines()[1:] == [
        "  finished: teacher (seed 0), odd (seed 0), lora (seed 0), floor (seed 0)",
        "The command keeps what is finished and makes the rest.",
    ]


def test_a_dry_run_lists_what_is_finished_changed_new_and_dropped_and_writes_nothing(
    again: Made, continue_run: Cli
) -> None:
    arms = again.values["arms"]
    arms["teacher"]["training"] = {"warmup": 0.2}
    arms["even"] = {"init": {"arm": "teacher", "layers": "even"}}
    del arms["floor"]
    refused = continue_run()
    assert refused.code == 2
    before = stamps(again.place)
    done = continue_run("--dry-run")
    assert done.code == 0, done.err
    assert stamps(again.place) == before
    why = [
        "teacher (seed 0): training.warmup 0.1 -> 0.2",
        "odd (seed 0): 'teacher, seed 0', which it needs, is trained again",
    ]
    assert state_in(done.out, again.layout.root).splitlines()[1:] == [
        "  finished: lora (seed 0)",
        "  not begun: even (seed 0)",
        "  changed:",
        *(f"    {line}" for line in why),
        "  not in the recipe, and left as they are: floor (seed 0)",
        "The command would stop there. With --retrain-changed it would train again: teacher "
        "(seed 0), odd (seed 0); train for the first time: even (seed 0).",
    ]
    assert [line.strip() for line in refused.err.splitlines()[1:3]] == why

    # and that is what happens
    training = {arm: again.arm(arm).training.stat().st_mtime_ns for arm in ARMS}
    assert continue_run("--retrain-changed").code == 0
    assert {arm for arm in ARMS if again.arm(arm).training.stat().st_mtime_ns != training[arm]} == {
        "teacher",
        "odd",
    }
    assert of(Results.load(again.layout.results), "even").layers == (0,)


def test_a_dry_run_where_the_command_would_be_refused_still_shows_the_plan(
    again: Made, continue_run: Cli, tmp_path: Path
) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "thesis.tex").write_text("precious")
    done = continue_run("--dry-run", out=tmp_path / "thesis")
    assert done.code == 0 and "BertForSequenceClassification" in done.out
    assert "The command would be refused: " in done.out and "other files" in done.out
    assert "--out" in done.out and "`out`" not in done.out
    assert "holds:" not in continue_run("--dry-run", out=tmp_path / "new").out


def test_data_of_the_command_line_that_is_gone_is_read_from_the_run(
    again: Made, continue_run: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = again.place / "data"
    again.values["data"] = {"source": "sample", "max_length": 32}  # --data says otherwise
    shutil.rmtree(data)
    for words in ((), ("--dry-run",)):
        done = continue_run("--data", data, *words)
        assert done.code == 0, done.err
        said = [line for line in (done.out + done.err).splitlines() if "no longer exists" in line]
        assert len(said) == 1 and "The run continues with its own copy of the data" in said[0]
    # a new run has no copy, and neither has this one of another place
    new = continue_run("--data", data, out=again.place / "new")
    other = continue_run("--data", again.place / "elsewhere")
    for done, path in ((new, data), (other, again.place / "elsewhere")):
        assert done.code == 2
        assert f"{path} does not exist." in done.err and "The data is a table" in done.err
    assert not (again.place / "new").exists()


def test_a_table_that_is_gone_is_found_by_the_name_of_its_run(
    again: Made, run_cli: Cli, write_recipe: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``--data tickets.csv`` alone: the recipe and the folder follow from the table's name."""
    monkeypatch.chdir(again.place)
    rows = [line.split("\t")[:2] for line in (again.place / "data/train.tsv").open()]
    Path("tickets.csv").write_text("text,label\n" + "".join(f"{t},{k}\n" for t, k in rows))
    few = ("--set", "contrasts=[]", "--set", "arms={a: {init: {baseline: tfidf}}}")
    first = run_cli("compare", "--data", "tickets.csv", *few)
    assert first.code == 0, first.err
    Path("tickets.csv").unlink()
    again_ = run_cli("compare", "--data", "tickets.csv", *few)
    assert again_.code == 0, again_.err
    assert "tickets.csv no longer exists." in again_.err
    assert run_cli("compare", "--data", "tickest.csv", *few).code == 2


@pytest.mark.parametrize("command", ["measure", "report"])
def test_a_file_of_a_run_in_place_of_its_folder_is_answered_with_the_folder(
    finished: Made, run_cli: Cli, command: str, tmp_path: Path
) -> None:
    run = finished.layout.root
    for path in (run / "results.json", run / "arms" / "odd" / "seed-0"):
        done = run_cli(command, path)
        assert done.code == 2
        assert f"Give the run's folder instead: {run}\n" in done.err
    (tmp_path / "notes.txt").write_text("a text")
    done = run_cli(command, tmp_path / "notes.txt")
    assert done.code == 2 and "is a file. Give the folder of a run." in done.err
