"""What the weights of an arm depend on, and how two such fingerprints differ, in words."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from distillora.artifacts import ArmLayout
from distillora.data.dataset import Dataset, Split
from distillora.data.tokens import tokenizer_sha256
from distillora.evaluation.integrity import EXTRA_TEXT
from distillora.evaluation.results import Fingerprint
from distillora.models.hashes import source_sha256
from distillora.pipeline.context import RunContext, Task
from distillora.pipeline.records import BeginningRecord
from distillora.recipe import Arm, drop_flat_defaults

CODE = 1
"""Version of the training code: raise it when the same inputs give other weights."""

EVALUATION_CODE = 1
"""Version of the evaluation code: raise it when the same weights and texts give another
``result.json``, because scoring, temperature, thresholds or metrics changed.

It is not part of the fingerprint: arms of another version are scored again, not trained again.
Changes to speed or evidence need no new version, because neither is in an arm's result.
"""


def take_fingerprint(context: RunContext, task: Task, parents: Mapping[Task, str]) -> Fingerprint:
    """Return the fingerprint of an arm at a seed.

    Args:
        context: the run: its plans and its data.
        task: which arm, which seed.
        parents: the hash of the weights of each arm that it starts from or learns from.

    Raises:
        ModelError: the files of its backbone cannot be read.
    """
    plan, data = context.plans[task.arm], context.data
    hashes = {name: split.sha256 for name, split in data.dataset.splits.items()}
    if plan.arm.objective.extra_text is not None:
        hashes[EXTRA_TEXT] = data.rows(plan.arm.objective.extra_text).sha256
    return Fingerprint(
        code=CODE,
        settings=plan.weight_settings(multi_label=data.multi_label),
        seed=task.seed,
        data=hashes,
        labels=_sha256([data.task, *data.dataset.label_names]),
        tokenizer=tokenizer_sha256(data.tokenizer(plan.tokenizer)) if plan.tokenizer else None,
        max_length=data.max_length,
        backbone=_backbone(plan.arm),
        parents={str(parent): digest for parent, digest in parents.items()},
    )


def read_fingerprint(folder: ArmLayout) -> Fingerprint:
    """Return what an arm was made from, to be compared with what is asked for now.

    Settings that were removed since are left out where they had their default.

    Raises:
        IntegrityError: it is missing or torn.
    """
    made = BeginningRecord.read(folder).fingerprint
    return made.model_copy(update={"settings": drop_flat_defaults(made.settings)})


def _backbone(arm: Arm) -> str | None:
    name = arm.init.backbone or arm.init.classifier
    if name is None:
        return None
    return source_sha256(name, arm.init.revision, weights=arm.init.weights == "pretrained")


def _sha256(values: list[str]) -> str:
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()


def describe_change(
    made: Fingerprint, wanted: Fingerprint, before: Dataset | None, now: Dataset
) -> list[str]:
    """Describe what differs between two fingerprints, one reason an entry.

    Args:
        made, wanted: the fingerprint of what is on disk, and of what the recipe asks for.
        before, now: the data behind each; ``before`` is None if it is unknown.
    """
    reasons = []
    if made.code != wanted.code:
        reasons.append(f"the training code: version {made.code} -> {wanted.code}")
    reasons += _settings(made.settings, wanted.settings)
    if made.seed != wanted.seed:
        reasons.append(f"seed {made.seed} -> {wanted.seed}")
    if made.labels != wanted.labels:
        reasons.append(_labels(before, now))
    reasons += _data(made, wanted, before, now)
    if made.tokenizer != wanted.tokenizer:
        reasons.append("the tokenizer changed")
    if made.max_length != wanted.max_length:
        reasons.append(f"data.max_length {made.max_length} -> {wanted.max_length}")
    if made.backbone != wanted.backbone:
        reasons.append("the files of its pretrained model changed")
    return reasons + _parents(made.parents, wanted.parents)


def _settings(made: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    return [
        f"{key} {_show(made.get(key))} -> {_show(wanted.get(key))}"
        for key in dict.fromkeys([*made, *wanted])
        if made.get(key) != wanted.get(key)
    ]


def _show(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else "none" if value is None else str(value)


def _labels(before: Dataset | None, now: Dataset) -> str:
    if before is None or before.label_names == now.label_names:
        return "the task or its labels changed"
    gone = [name for name in before.label_names if name not in now.label_names]
    new = [name for name in now.label_names if name not in before.label_names]
    parts = [f"without {', '.join(gone)}"] if gone else []
    parts += [f"with {', '.join(new)}"] if new else []
    return f"labels: now {' and '.join(parts) or 'in another order'}"


def _data(
    made: Fingerprint, wanted: Fingerprint, before: Dataset | None, now: Dataset
) -> list[str]:
    names = dict.fromkeys([*made.data, *wanted.data])
    changed = [name for name in names if made.data.get(name) != wanted.data.get(name)]
    redivided = _describe_division(made, before, now) if changed else None
    if redivided is None:
        return [_rows(name, made, before, now) for name in changed]
    others = [name for name in changed if name not in now.splits]
    return [redivided, *(_rows(name, made, before, now) for name in others)]


def _describe_division(made: Fingerprint, before: Dataset | None, now: Dataset) -> str | None:
    """Describe how the splits changed; None if no text moved to another split."""
    known = before is not None and all(
        made.data.get(name) == split.sha256 for name, split in before.splits.items()
    )
    return describe_division(before, now) if before is not None and known else None


def describe_division(before: Dataset, now: Dataset) -> str | None:
    """Count the texts that moved to another split, and those that were removed or added.

    Of equal texts, as many as possible count as having stayed. Returns None if none moved, or if
    fewer texts stayed in the data than were removed or added: that is other data, not other
    splits.
    """
    old, new = _count_texts(before), _count_texts(now)
    old_all, new_all = sum(old.values(), Counter[str]()), sum(new.values(), Counter[str]())
    kept = (old_all & new_all).total()
    moved = kept - sum((old[name] & new[name]).total() for name in old if name in new)
    removed, added = (old_all - new_all).total(), (new_all - old_all).total()
    if not moved or kept < removed + added:
        return None
    changed = f" ({removed:,} removed, {added:,} added)" if removed or added else ""
    same = "" if changed else "the same "
    return (
        f"the splits changed: {moved:,} of {same}{kept:,} texts "
        f"{'is' if moved == 1 else 'are'} in another split{changed}"
    )


def _count_texts(dataset: Dataset) -> dict[str, Counter[str]]:
    return {name: Counter(split.texts) for name, split in dataset.splits.items()}


def _rows(name: str, made: Fingerprint, before: Dataset | None, now: Dataset) -> str:
    old = None if before is None else before.splits.get(name)
    new = now.splits.get(name)
    if old is None or new is None or old.sha256 != made.data.get(name):
        return f"{name}: the texts changed"
    return f"{name}: {describe_rows(old, new)}"


def describe_rows(old: Split, new: Split) -> str:
    """Describe how the rows of a split changed.

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
        f"the weights of '{key}' changed"
        for key, digest in made.items()
        if key in wanted and wanted[key] != digest
    ]
    return reasons


def _seeds(parents: Mapping[str, str], arm: str) -> list[str]:
    return [key.rpartition(" ")[2] for key in parents if key.rpartition(", seed ")[0] == arm]
