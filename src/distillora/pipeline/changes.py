"""Whether what a run holds is still what its recipe and its data would make."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from distillora.artifacts import ArmLayout, RunLayout, write_atomic
from distillora.data.corpus import Corpus, Split
from distillora.data.stored import is_stored, read_stored
from distillora.errors import RunFolderError
from distillora.evaluation.intact import find_weights_fault, note_renewal
from distillora.evaluation.results import Fingerprint
from distillora.pipeline.bench import Workbench
from distillora.pipeline.fingerprint import take_fingerprint
from distillora.pipeline.record import BeginningRecord, TrainingRecord
from distillora.pipeline.schedule import Task, parents

_MOST_SHOWN = 12


@dataclass(frozen=True)
class Change:
    """Why an arm that was begun or finished is not the one that is asked for now.

    Attributes:
        reasons: in words.
        fingerprint: that of the arm that is asked for, given the arms that it needs as they are.
        retrain: whether its weights depend on what changed; if not, it is only scored again.
    """

    reasons: tuple[str, ...]
    fingerprint: Fingerprint
    retrain: bool


def refuse_older_run(layout: RunLayout) -> None:
    """Refuse the folder of a run from before there were fingerprints.

    Raises:
        RunFolderError: it holds such a run.
    """
    arms = [ArmLayout(path) for path in layout.root.glob("arms/*/seed-*")]
    # an ensemble has results alone
    begun = [arm for arm in arms if arm.training.is_file() or arm.checkpoints.is_dir()]
    if all(arm.fingerprint.is_file() for arm in begun):
        return
    raise RunFolderError(
        f"{layout.root} holds a run of an earlier version, which did not record what its arms "
        "were made from. Whether they fit this command cannot be checked, so they are not reused. "
        "Give another folder with --out, or delete this one."
    )


def find_changes(bench: Workbench, tasks: Iterable[Task]) -> dict[Task, Change]:
    """Compare what was begun or finished with what the recipe and the data ask for now.

    Args:
        bench: plans and data as they are asked for.
        tasks: in the order in which they are made.
    """
    before = read_stored(bench.layout.data)[0] if is_stored(bench.layout.data) else None
    changes: dict[Task, Change] = {}
    for task in tasks:
        folder = bench.folder(*task)
        if folder.fingerprint.is_file():
            change = _compare(bench, task, folder, changes, before)
            if change is not None:
                changes[task] = change
    return changes


def _compare(
    bench: Workbench,
    task: Task,
    folder: ArmLayout,
    changes: Mapping[Task, Change],
    before: Corpus | None,
) -> Change | None:
    made = BeginningRecord.read(folder).fingerprint
    needed, reasons = {}, []
    for parent in parents(bench.data.recipe, *task):
        needed[parent] = made.parents.get(str(parent), "")
        if (why := _why_new(bench, parent, changes)) is None:
            needed[parent] = TrainingRecord.read(bench.folder(*parent)).weights_sha256
        elif str(parent) in made.parents:
            reasons.append(f"'{parent}', which it needs, {why}")
    wanted = take_fingerprint(bench, task, needed)
    own = describe_change(made, wanted, before, bench.data.corpus)
    reasons = [*own, *reasons]
    if not reasons and folder.result.is_file():
        reasons = _describe_weights(bench, task, folder)
    if not reasons:
        return None
    only_test = made.model_copy(update={"data": wanted.data}) == wanted and all(
        made.data.get(name) == digest for name, digest in wanted.data.items() if name != "test"
    )
    retrain = len(reasons) > len(own) or not only_test
    return Change(tuple(reasons), wanted, retrain)


def _why_new(bench: Workbench, parent: Task, changes: Mapping[Task, Change]) -> str | None:
    if parent in changes and changes[parent].retrain:
        return "is trained again"
    if not bench.folder(*parent).training.is_file():
        return "is not finished"
    return None


def _describe_weights(bench: Workbench, task: Task, folder: ArmLayout) -> list[str]:
    """Say what is wrong with the weights of a finished arm, if anything is."""
    if not folder.training.is_file():
        return ["its weights on disk are damaged"]
    fault = find_weights_fault(
        folder.model,
        TrainingRecord.read(folder).weights_sha256,
        bench.data.corpus.label_names,
        multi_label=bench.data.recipe.multi_label,
        baseline=bench.plans[task.arm].arm.init.baseline is not None,
    )
    return [] if fault is None else [f"its weights on disk are {fault.what}"]


def describe_change(
    made: Fingerprint, wanted: Fingerprint, before: Corpus | None, now: Corpus
) -> list[str]:
    """Say in words what differs between two fingerprints, a reason a line.

    Args:
        made, wanted: of what is there, and of what is asked for.
        before, now: the data that belongs to them; ``before`` is None where it is not known.
    """
    reasons = []
    if made.code != wanted.code:
        reasons.append(f"the training code: version {made.code} -> {wanted.code}")
    reasons += _settings(made.settings, wanted.settings)
    if made.seed != wanted.seed:
        reasons.append(f"seed {made.seed} -> {wanted.seed}")
    if made.labels != wanted.labels:
        reasons.append(_labels(before, now))
    for name in dict.fromkeys([*made.data, *wanted.data]):
        if made.data.get(name) != wanted.data.get(name):
            reasons.append(_rows(name, made, before, now))
    if made.tokenizer != wanted.tokenizer:
        reasons.append("the tokenizer is another one")
    if made.max_length != wanted.max_length:
        reasons.append(f"data.max_length {made.max_length} -> {wanted.max_length}")
    if made.backbone != wanted.backbone:
        reasons.append("the files of the pretrained model that it starts from are others")
    return reasons + _parents(made.parents, wanted.parents)


def _settings(made: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    return [
        f"{key} {_show(made.get(key))} -> {_show(wanted.get(key))}"
        for key in dict.fromkeys([*made, *wanted])
        if made.get(key) != wanted.get(key)
    ]


def _show(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else "none" if value is None else str(value)


def _labels(before: Corpus | None, now: Corpus) -> str:
    if before is None or before.label_names == now.label_names:
        return "the task or its labels are others"
    gone = [name for name in before.label_names if name not in now.label_names]
    new = [name for name in now.label_names if name not in before.label_names]
    parts = [f"without {', '.join(gone)}"] if gone else []
    parts += [f"with {', '.join(new)}"] if new else []
    return f"labels: now {' and '.join(parts) or 'in another order'}"


def _rows(name: str, made: Fingerprint, before: Corpus | None, now: Corpus) -> str:
    old = None if before is None else before.splits.get(name)
    new = now.splits.get(name)
    if old is None or new is None or old.sha256 != made.data.get(name):
        return f"{name}: the texts are others"
    return f"{name}: {describe_rows(old, new)}"


def describe_rows(old: Split, new: Split) -> str:
    """Say in words how the rows of a split differ from what they were.

    >>> old = Split(("a", "b"), ((0,), (1,)), ("1", "2"))
    >>> describe_rows(old, Split(("a", "c"), ((0,), (1,)), ("1", "2")))
    '1 of 2 texts differ'
    """
    total = f"{len(old):,}"
    if len(old) != len(new):
        gone, added = _count_missing(old.texts, new.texts), _count_missing(new.texts, old.texts)
        return f"{total} -> {len(new):,} rows ({gone:,} texts removed, {added:,} added)"
    for what, was, now in (
        ("texts differ", old.texts, new.texts),
        ("rows have other labels", old.labels, new.labels),
        ("rows have other ids", old.ids, new.ids),
    ):
        if was != now:
            if Counter(was) == Counter(now):
                return f"the same {total} rows in another order"
            count = sum(a != b for a, b in zip(was, now, strict=True))
            return f"{count:,} of {total} {what}"
    return "the same rows"


def _count_missing(texts: Iterable[str], others: Iterable[str]) -> int:
    return sum((Counter(texts) - Counter(others)).values())


def _parents(made: Mapping[str, str], wanted: Mapping[str, str]) -> list[str]:
    reasons = []
    for arm in dict.fromkeys(key.rpartition(", seed ")[0] for key in [*made, *wanted]):
        was, now = _seeds(made, arm), _seeds(wanted, arm)
        if was != now and was and now:
            reasons.append(f"teacher {arm}: seeds {', '.join(was)} -> {', '.join(now)}")
        elif was != now:
            reasons.append(f"{'no longer' if was else 'now'} made from '{arm}'")
    reasons += [
        f"the weights of '{key}' are others"
        for key, digest in made.items()
        if key in wanted and wanted[key] != digest
    ]
    return reasons


def _seeds(parents: Mapping[str, str], arm: str) -> list[str]:
    return [key.rpartition(" ")[2] for key in parents if key.rpartition(", seed ")[0] == arm]


def refuse_changes(layout: RunLayout, changes: Mapping[Task, Change]) -> None:
    """Stop, and say of each arm what changed.

    Raises:
        RunFolderError: always.
    """
    by_reason: dict[tuple[str, ...], list[Task]] = {}
    for task, change in changes.items():
        by_reason.setdefault(change.reasons, []).append(task)
    lines = [f"  {_name(tasks)}: {'; '.join(why)}" for why, tasks in by_reason.items()]
    if len(lines) > _MOST_SHOWN:
        lines = [*lines[:_MOST_SHOWN], f"  and {len(lines) - _MOST_SHOWN} more"]
    listed = "\n".join(lines)
    scored = sum(not change.retrain for change in changes.values())
    again = f"trains these again ({len(changes) - scored})" if scored < len(changes) else ""
    if scored:
        again += f"{' and ' if again else ''}scores those again whose test texts alone changed"
    raise RunFolderError(
        f"{layout.root} holds arms that were made from something else:\n{listed}\n"
        f"--retrain-changed {again}, and keeps the others. Or give another folder with --out."
    )


def _name(tasks: Iterable[Task]) -> str:
    seeds: dict[str, list[int]] = {}
    for arm, seed in tasks:
        seeds.setdefault(arm, []).append(seed)
    return ", ".join(
        f"{arm} (seed{'s' if len(own) > 1 else ''} {', '.join(map(str, own))})"
        for arm, own in seeds.items()
    )


def discard_changed(bench: Workbench, changes: Mapping[Task, Change]) -> None:
    """Delete the arms that no longer fit, so that they are made again, and the run's results.

    ``renewal.json`` says which, until the run is finished.
    """
    trained = {task for task, change in changes.items() if change.retrain}
    note_renewal(bench.layout, trained, set(changes) - trained)
    for path in (bench.layout.results, bench.layout.report, bench.layout.root / "report.md"):
        path.unlink(missing_ok=True)
    for task, change in changes.items():
        folder = bench.folder(*task)
        if change.retrain:
            _delete_arm(folder)
            continue
        folder.result.unlink(missing_ok=True)
        folder.predictions.unlink(missing_ok=True)
        begun = BeginningRecord.read(folder)
        renewed = begun.model_copy(update={"fingerprint": change.fingerprint})
        write_atomic(folder.fingerprint, renewed.model_dump_json(indent=1))


def _delete_arm(folder: ArmLayout) -> None:
    """Delete an arm, its fingerprint last, so that a half-deleted one is still recognised."""
    folder.result.unlink(missing_ok=True)
    folder.training.unlink(missing_ok=True)
    for path in folder.root.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path != folder.fingerprint:
            path.unlink()
    shutil.rmtree(folder.root)
