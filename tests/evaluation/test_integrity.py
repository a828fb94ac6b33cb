"""Results whose arms were not made from one another are refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from distillora.errors import IntegrityError
from distillora.evaluation.integrity import check_chain, ensemble_sha256
from distillora.evaluation.results import (
    ArmEnvironment,
    ArmResult,
    ExtraTextRecord,
    Fingerprint,
    Results,
)
from distillora.report import write_report
from report.conftest import build_run

Change = Callable[[ArmResult], ArmResult]


def fingerprint(parents: dict[str, str], data: dict[str, str]) -> Fingerprint:
    return Fingerprint(
        code=1,
        settings={},
        seed=0,
        data=data,
        labels="l",
        tokenizer="t",
        max_length=128,
        backbone=None,
        parents=parents,
    )


def environment(results: Results, **changes: Any) -> ArmEnvironment:
    known = results.environment.model_dump() | {"threads": 2, "ended": "2026-11-24T10:00:00+00:00"}
    return ArmEnvironment(**known | changes)


@pytest.fixture
def results(tmp_path: Path) -> Results:
    """A run whose student 'odd' was made from 'lora', with fingerprints that say so."""
    _, results = build_run(tmp_path / "run")
    lora, odd, even = results.arms
    data = results.data.sha256
    lora = lora.model_copy(update={"fingerprint": fingerprint({}, data)})
    odd = odd.model_copy(
        update={"fingerprint": fingerprint({"lora, seed 0": lora.weights_sha256}, data)}
    )
    return results.model_copy(update={"arms": (lora, odd, even)})


def with_arm(results: Results, index: int, **changes: Any) -> Results:
    arms = list(results.arms)
    arms[index] = arms[index].model_copy(update=changes)
    return results.model_copy(update={"arms": tuple(arms)})


def test_arms_made_from_one_another_are_accepted(results: Results) -> None:
    check_chain(results)


def test_a_student_of_other_weights_is_refused_by_name(results: Results) -> None:
    retrained = with_arm(results, 0, weights_sha256="f" * 64)
    with pytest.raises(IntegrityError, match=r"'odd, seed 0' .* other weights of 'lora, seed 0'"):
        check_chain(retrained)


def test_an_arm_of_other_rows_is_refused_by_split(results: Results) -> None:
    data = {**results.data.sha256, "train": "0" * 64}
    moved = with_arm(results, 0, fingerprint=fingerprint({}, data))
    with pytest.raises(IntegrityError, match="'lora, seed 0' was made with other train rows"):
        check_chain(moved)


def with_extra_text(results: Results, path: str | None, digest: str | None) -> Results:
    """Give the student extra texts: in the recipe, and in what it was made from."""
    recipe = {**results.recipe, "arms": {**results.recipe["arms"]}}
    recipe["arms"]["odd"] = {"objective": {"extra_text": path}}
    record = ExtraTextRecord(rows=3, evaluated=0, repeated=0, sha256="e" * 64)
    data = results.data.model_copy(update={"extra_text": {"more.txt": record}})
    made = results.arms[1].fingerprint
    assert made is not None
    hashes = made.data if digest is None else {**made.data, "extra text": digest}
    odd = {"fingerprint": made.model_copy(update={"data": hashes})}
    return with_arm(results, 1, **odd).model_copy(update={"recipe": recipe, "data": data})


def test_an_arm_of_the_run_s_own_extra_texts_is_accepted(results: Results) -> None:
    check_chain(with_extra_text(results, "more.txt", "e" * 64))
    check_chain(with_extra_text(results, None, None))


@pytest.mark.parametrize(
    ("path", "digest"),
    [("more.txt", "f" * 64), ("more.txt", None), (None, "e" * 64), ("gone.txt", "e" * 64)],
    ids=["other texts", "made without", "asked without", "not in the data"],
)
def test_an_arm_of_other_extra_texts_is_refused(
    results: Results, path: str | None, digest: str | None
) -> None:
    with pytest.raises(IntegrityError, match="'odd, seed 0' was made with other extra texts"):
        check_chain(with_extra_text(results, path, digest))


def test_a_report_of_such_results_is_refused(results: Results, tmp_path: Path) -> None:
    broken = with_arm(results, 0, weights_sha256="f" * 64)
    (tmp_path / "run" / "results.json").write_text(broken.model_dump_json())
    with pytest.raises(IntegrityError, match="contradict themselves"):
        write_report(tmp_path / "run")
    assert not (tmp_path / "run" / "report.html").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "note"),
    [
        ({"commit": "f" * 40}, "Trained by another commit than most of the run: odd, seed 0."),
        ({"device": "a GPU"}, "Trained on another device than most of the run: odd, seed 0."),
        ({"jobs": 2}, "Trained with another number of jobs or threads than most of the run: odd"),
        ({"begun_at_commit": "e" * 40}, "Trained by another commit than most of the run: odd"),
    ],
)
def test_the_report_points_out_an_arm_that_was_made_otherwise(
    results: Results, tmp_path: Path, changes: dict[str, Any], note: str
) -> None:
    for index in range(3):
        results = with_arm(results, index, environment=environment(results))
    other = with_arm(results, 1, environment=environment(results, **changes))
    assert note in report_of(other, tmp_path / "run")
    assert "than most of the run" not in report_of(results, tmp_path / "run")


def report_of(results: Results, run: Path) -> str:
    (run / "results.json").write_text(results.model_dump_json())
    return (write_report(run).parent / "report.md").read_text("utf-8")


def test_an_ensemble_of_other_models_than_the_run_s_is_refused(results: Results) -> None:
    members = ("lora, seed 0", "odd, seed 0")
    own = ensemble_sha256([arm.weights_sha256 for arm in results.arms[:2]])
    averaged = with_arm(results, 2, members=members, layers=(), weights_sha256=own)
    check_chain(averaged)
    with pytest.raises(IntegrityError, match="'even, seed 0' averages models that are not"):
        check_chain(with_arm(averaged, 2, weights_sha256="f" * 64))
