"""Each thing that an arm's weights depend on: it is named, and what depends on it trained again.

What does not depend on it is left alone, and the result is that of a fresh run.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable

import pytest
from safetensors.torch import load_file, save_file

from distillora.artifacts import ArmLayout
from distillora.evaluation.results import Results
from identity import ARMS, Made, Values, change_words, figures, of
from tiny import VOCAB, tiny_tokenizer

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("quick_ends")]

Change = Callable[[Made], None]


def _train(made: Made) -> None:
    made.rewrite("data/train.tsv", change_words(2))


def _validation(made: Made) -> None:
    made.rewrite("data/dev.tsv", lambda lines: lines[:-1])


def _labels_of_rows(made: Made) -> None:
    def relabel(lines: list[str]) -> list[str]:
        text, label, id_ = lines[0].split("\t")
        return [f"{text}\t{(int(label) + 1) % 4}\t{id_}", *lines[1:]]

    made.rewrite("data/train.tsv", relabel)


def _label_names(made: Made) -> None:
    made.rewrite("data/labels.txt", lambda lines: ["delight", *lines[1:]])


def _order(made: Made) -> None:
    made.rewrite("data/train.tsv", lambda lines: [lines[1], lines[0], *lines[2:]])


def _extra_text(made: Made) -> None:
    made.rewrite("extra.txt", lambda lines: ["w100 w101", *lines[1:]])


def _length(made: Made) -> None:
    made.values["data"]["max_length"] = 8


def _setting_of_all(made: Made) -> None:
    made.values["training"] |= {"learning_rate": 2e-3}


def set_in(arm: str, section: str, **settings: object) -> Change:
    def change(made: Made) -> None:
        own: Values = made.values["arms"][arm]
        own[section] = {**own.get(section, {}), **settings}

    return change


def _backbone(made: Made) -> None:
    path = made.place / "other" / "model.safetensors"
    weights = load_file(path)
    name = next(iter(weights))
    weights[name] = weights[name] + 0.5
    save_file(weights, path, {"format": "pt"})


def _tokenizer(made: Made) -> None:
    state = json.loads(tiny_tokenizer().backend_tokenizer.to_str())
    vocabulary = state["model"]["vocab"]
    vocabulary["w5"], vocabulary["w6"] = vocabulary["w6"], vocabulary["w5"]
    assert len(vocabulary) == VOCAB
    (made.place / "other" / "tokenizer.json").write_text(json.dumps(state))


def _cut_side(made: Made) -> None:
    path = made.place / "other" / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"truncation_side": "left"}))


def _seed(made: Made) -> None:
    """Add a seed for the LoRA arm, with what was made at another one in its place."""
    made.values["seeds"] = [0, 1]
    for name in ("teacher", "odd"):
        made.values["arms"][name]["seeds"] = [0]
    shutil.copytree(made.arm("lora", 0).root, made.arm("lora", 1).root)


ENCODERS = ARMS - {"floor"}
FAMILY = frozenset({"teacher", "odd"})
LORA = frozenset({"lora"})

CASES: dict[str, tuple[Change, str, frozenset[str]]] = {
    "train": (_train, "train: 2 of 24 texts differ", ARMS),
    "validation": (_validation, "validation: 8 -> 7 rows (1 texts removed, 0 added)", ARMS),
    "backbone": (_backbone, "the files of its pretrained model changed", LORA),
    "tokenizer": (_tokenizer, "the tokenizer changed", LORA),
    "extra text": (_extra_text, "extra text: the texts changed", frozenset({"odd"})),
    "setting": (
        set_in("lora", "tuning", rank=2),
        "tuning.rank 4 -> 2",
        LORA,
    ),
    "setting of a parent": (
        set_in("teacher", "training", warmup=0.2),
        "training.warmup 0.1 -> 0.2",
        FAMILY,
    ),
    "precision": (
        set_in("lora", "training", precision="bf16"),
        "training.precision fp32 -> bf16",
        LORA,
    ),
    "precision of the teacher's outputs": (
        set_in("odd", "objective", teacher_precision="bf16"),
        "objective.teacher_precision fp32 -> bf16",
        frozenset({"odd"}),
    ),
}


@pytest.mark.parametrize(("change", "message", "retrained"), CASES.values(), ids=[*CASES])
def test_a_change_is_named_and_trains_what_depends_on_it_and_nothing_else(
    again: Made, change: Change, message: str, retrained: frozenset[str]
) -> None:
    before = {arm: again.files(arm) for arm in ARMS}
    change(again)
    refusal = again.refusal()
    assert message in refusal
    assert {arm for arm in ARMS if f"{arm} (seed 0)" in refusal} == retrained
    assert {arm: again.files(arm) for arm in ARMS} == before  # a refusal changes nothing

    renewed = again.run(retrain=True)
    weights = {arm: str(again.arm(arm).training) for arm in ARMS}
    written = {arm: again.files(arm) for arm in ARMS}
    assert {arm for arm in ARMS if written[arm] != before[arm]} == retrained
    assert all(written[arm][weights[arm]] > before[arm][weights[arm]] for arm in retrained)

    fresh = figures(again.fresh(retrained))
    assert {key: figures(renewed)[key] for key in fresh} == fresh
    assert figures(again.run()) == figures(renewed)  # and now it fits


@pytest.mark.parametrize(
    ("change", "message", "retrained"),
    [
        (_labels_of_rows, "train: 1 of 24 rows have other labels", ARMS),
        (_label_names, "labels: now without joy and with delight", ARMS),
        (_order, "train: the same 24 rows in another order", ARMS),
        (_length, "data.max_length 32 -> 8", ARMS),
        (_setting_of_all, "training.learning_rate 0.001 -> 0.002", ENCODERS),
        (_cut_side, "the tokenizer changed", LORA),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_other_changes_are_named_for_the_arms_that_they_concern(
    again: Made, change: Change, message: str, retrained: frozenset[str]
) -> None:
    change(again)
    refusal = again.refusal()
    assert message in refusal
    assert {arm for arm in ARMS if f"{arm} (seed 0)" in refusal} == retrained


def test_several_changes_of_all_arms_at_once_lead_to_what_a_fresh_run_makes(again: Made) -> None:
    for change in (_labels_of_rows, _label_names, _order, _length, _setting_of_all):
        change(again)
    again.values["arms"] = {"lora": again.arms["lora"]}
    before = {arm: again.files(arm) for arm in ARMS}
    renewed = again.run(retrain=True)
    assert figures(renewed) == figures(again.fresh(LORA))
    assert {arm for arm in ARMS if again.files(arm) != before[arm]} == LORA


def test_an_arm_of_another_seed_is_not_taken_for_that_of_this_one(again: Made) -> None:
    _seed(again)
    before = {arm: again.files(arm) for arm in ARMS}
    assert "lora (seed 1): seed 0 -> 1\n" in again.refusal()
    renewed = again.run(retrain=True)
    kept = {arm: dict(files) for arm, files in before.items()}
    for path in before["lora"]:
        if "seed-1" in path:
            del kept["lora"][path]
    for arm, files in kept.items():
        assert files.items() <= again.files(arm).items()
    again.values["arms"] = {"lora": again.arms["lora"]}
    again.values["seeds"] = [1]
    fresh = again.run(out=again.place / "fresh")
    assert of(renewed, "lora", 1).weights_sha256 == of(fresh, "lora", 1).weights_sha256
    assert of(renewed, "lora", 0).weights_sha256 != of(renewed, "lora", 1).weights_sha256


def forget_digest(arm: ArmLayout) -> None:
    """Make an arm's record one from before it had a digest of the fingerprint."""
    record = json.loads(arm.training.read_text())
    del record["fingerprint_sha256"]
    arm.training.write_text(json.dumps(record))


def test_a_fingerprint_that_is_changed_to_fit_the_command_is_not_believed(again: Made) -> None:
    path = again.arm("lora").fingerprint
    values = json.loads(path.read_text())
    values["fingerprint"]["settings"]["training.learning_rate"] = 0.123
    path.write_text(json.dumps(values))
    again.arms["lora"].setdefault("training", {})["learning_rate"] = 0.123
    refusal = again.refusal()
    assert "lora (seed 0): its fingerprint.json is not that of its training\n" in refusal


def test_other_weights_of_a_parent_retrain_what_was_made_from_the_old_ones(again: Made) -> None:
    # a fresh run whose student at seed 0 learns from a teacher at seed 7, which goes into ours
    theirs = Made(again.place, {**again.values, "seeds": [0, 7]})
    teacher, odd = ({**again.arms[name]} for name in ("teacher", "odd"))
    theirs.values["arms"] = {"teacher": {**teacher, "seeds": [7]}, "odd": {**odd, "seeds": [0]}}
    fresh = theirs.run(out=again.place / "fresh")
    other, ours = again.place / "fresh/arms/teacher/seed-7", again.arm("teacher")
    shutil.rmtree(ours.model)
    shutil.copytree(other / "model", ours.model)
    shutil.copy(other / "training.json", ours.training)
    assert "teacher (seed 0): its fingerprint.json is not that of its training" in again.refusal()
    forget_digest(ours)
    ours.result.unlink()  # it is of the old weights

    refusal = again.refusal()
    assert "odd (seed 0): the weights of 'teacher, seed 0' changed\n" in refusal
    assert not any(f"{arm} (" in refusal for arm in ARMS - {"odd"})
    before = {arm: again.files(arm) for arm in ("lora", "floor")}
    weights = ours.model.joinpath("model.safetensors").stat().st_mtime_ns
    renewed = again.run(retrain=True)
    assert {arm: again.files(arm) for arm in before} == before
    assert ours.model.joinpath("model.safetensors").stat().st_mtime_ns == weights
    assert of(renewed, "teacher").weights_sha256 == of(fresh, "teacher", 7).weights_sha256
    assert of(renewed, "odd").weights_sha256 == of(fresh, "odd").weights_sha256
    assert of(renewed, "odd").metrics.test.loss == of(fresh, "odd").metrics.test.loss


def test_other_test_rows_are_scored_anew_with_the_same_weights(again: Made) -> None:
    before = Results.load(again.layout.results)
    trained = {arm: again.arm(arm).training.stat().st_mtime_ns for arm in ARMS}
    again.rewrite("data/test.tsv", change_words(5))
    refusal = again.refusal()
    assert "test: 5 of 8 texts differ\n" in refusal and "scores those again" in refusal
    renewed = again.run(retrain=True)
    assert {arm: again.arm(arm).training.stat().st_mtime_ns for arm in ARMS} == trained
    for arm in renewed.arms:
        old = of(before, arm.name)
        assert (arm.weights_sha256, arm.history) == (old.weights_sha256, old.history)
        assert arm.metrics.validation == old.metrics.validation
        # TF-IDF does not know the new word
        assert (arm.metrics.test != old.metrics.test) == (arm.name in ENCODERS)
    fresh = figures(again.fresh(LORA))
    assert fresh["lora", 0] == figures(renewed)["lora", 0]


def test_more_seeds_of_a_teacher_that_teaches_at_all_of_them_change_its_students(
    again: Made,
) -> None:
    again.values["arms"] = {name: again.arms[name] for name in ("teacher", "odd")}
    again.values["arms"]["odd"] |= {"seeds": [0]}
    teacher = again.files("teacher")
    again.values["seeds"] = [0, 1]
    refusal = again.refusal()
    assert "odd (seed 0): teacher teacher: seeds 0 -> 0, 1\n" in refusal
    assert "teacher (" not in refusal
    renewed = again.run(retrain=True)
    assert teacher.items() <= again.files("teacher").items()
    assert of(renewed, "odd").teacher_seeds == (0, 1)
    assert figures(renewed) == figures(again.fresh(FAMILY))
