"""The verdict: which arm to ship, in words generated from the figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from distillora.evaluation.evidence import FEWEST_SEEDS, Evidence
from distillora.evaluation.results import Results, TaskType
from distillora.report import formats
from distillora.report.contrasts import tell_contrasts
from distillora.report.formats import Card
from distillora.report.seeds import tell_seeds
from distillora.report.summary import (
    ArmSummary,
    accuracy_on_test,
    chosen_by,
    f1_on_test,
    latency,
    model_bytes,
    operating_point,
    summarise,
)
from distillora.report.timing import speed_caveat

# timings of one model differ by a few per cent between sessions
SAME_COST = 1.05


@dataclass(frozen=True)
class Verdict:
    """The best arm, the cheapest arm to run, and the reasons."""

    best: ArmSummary
    cheapest: ArmSummary
    text: str
    cards: tuple[Card, ...]


def judge(results: Results) -> Verdict:
    """Compare the arms; a difference is called shown only where a contrast shows it.

    The best arm has the highest validation score (weighted F1; multi-label: average precision) and
    is described by its test figures. The cheapest arm has the lowest latency, if that was measured.
    Among arms within 5 % of the lowest latency, the smallest wins; among those within 5 % of the
    smallest size, the one with the best validation score.

    A teacher that is larger than every other arm does not compete, because the question is which
    small model to ship. Neither do baselines, which are a lower bound, and ensembles, which cannot
    be exported.
    """
    arms = summarise(results)
    rivals = _rivals(arms)
    best = max(rivals, key=lambda arm: arm.mean(chosen_by))
    cheapest = _cheapest(rivals)
    alone = len(rivals) == 1
    sentences = (
        _quality(best, results.data.task, alone),
        _cost(best, cheapest, alone),
        speed_caveat(results) if cheapest.known(latency) is not None else "",
        _evidence(results.evidence, (best, cheapest), alone),
        _teacher(best, arms),
        _floor(best, arms),
        _ensembles(arms),
        tell_seeds(arms),
    )
    text = " ".join(filter(None, sentences))
    return Verdict(best, cheapest, text, _cards(best, cheapest, results.evidence, alone))


def _rivals(arms: Sequence[ArmSummary]) -> tuple[ArmSummary, ...]:
    encoders = [arm for arm in arms if arm.first.is_encoder]
    encoders = encoders or [arm for arm in arms if not arm.first.is_ensemble]
    teachers = {teacher for arm in encoders for run in arm.runs for teacher in run.teachers}
    others = [arm for arm in encoders if arm.name not in teachers] or encoders
    largest = max(arm.mean(model_bytes) for arm in others)
    return tuple(
        arm for arm in encoders if arm in others or arm.mean(model_bytes) <= largest * SAME_COST
    )


def _floor(best: ArmSummary, arms: Sequence[ArmSummary]) -> str:
    floors = [arm for arm in arms if arm.first.is_baseline and arm is not best]
    return " ".join(
        f"The baseline ‘{arm.name}’ ({arm.first.init}) has a weighted F1 of "
        f"{formats.ratio(arm.mean(f1_on_test))}."
        for arm in floors
    )


def _ensembles(arms: Sequence[ArmSummary]) -> str:
    return " ".join(
        f"The ensemble ‘{arm.name}’ ({arm.first.init}), which cannot be exported, has a weighted "
        f"F1 of {formats.ratio(arm.mean(f1_on_test))}."
        for arm in arms
        if arm.first.is_ensemble
    )


def _cheapest(arms: Sequence[ArmSummary]) -> ArmSummary:
    for read in (latency, model_bytes):
        costs = [cost for arm in arms if (cost := arm.known(read)) is not None]
        if len(costs) == len(arms):  # otherwise it was not measured for all
            most = min(costs) * SAME_COST
            arms = [arm for arm, cost in zip(arms, costs, strict=True) if cost <= most]
    return max(arms, key=lambda arm: arm.mean(chosen_by))


def _quality(best: ArmSummary, task: TaskType, alone: bool) -> str:
    rows = formats.count(best.first.metrics.test.rows)
    chosen = formats.ratio(best.mean(chosen_by))
    by = "weighted F1" if task == "single_label" else "average precision"
    lead = (
        f"‘{best.name}’ is the only arm that competes, so there is nothing to compare it with. "
        f"Its {by} on validation is {chosen}."
        if alone
        else f"Best quality: ‘{best.name}’, chosen by its {by} on validation ({chosen})."
    )
    return f"{lead} On the {rows} test texts it reaches {_test_figures(best, task)}."


def _test_figures(arm: ArmSummary, task: TaskType) -> str:
    weighted = f"a weighted F1 of {formats.ratio(arm.mean(f1_on_test))}"
    if task == "single_label":
        return f"{weighted} and an accuracy of {formats.ratio(arm.mean(accuracy_on_test))}"
    macro = formats.ratio(arm.mean(lambda run: operating_point(run.metrics.test).f1_macro))
    where = "tuned thresholds" if arm.first.metrics.test.tuned else "a threshold of 0.5"
    figures = f"{weighted} and a macro F1 of {macro} at {where}"
    precision = arm.spread(lambda run: run.metrics.test.average_precision)
    if precision is None:
        return figures
    return f"an average precision of {formats.ratio(precision.mean)}, {figures}"


def _cost(best: ArmSummary, cheapest: ArmSummary, alone: bool) -> str:
    cost = _running_cost(cheapest)
    if alone:
        return f"It takes {cost}."
    if best is cheapest:
        return f"No arm is clearly cheaper to run. It takes {cost}."
    return (
        f"Cheapest to run: ‘{cheapest.name}’ ({cost}), {_advantage(best, cheapest)} "
        f"‘{best.name}’, {_points(best, cheapest)}."
    )


def _advantage(best: ArmSummary, cheapest: ArmSummary) -> str:
    """Return how much faster and smaller the cheapest arm is, up to the name of the best."""
    size = best.mean(model_bytes) / cheapest.mean(model_bytes)
    link, smaller = "and", "the same size as"
    if size > SAME_COST:
        smaller = f"{size:.1f} times smaller than"
    elif size < 1 / SAME_COST:
        link, smaller = "but", f"{1 / size:.1f} times larger than"
    before, after = best.known(latency), cheapest.known(latency)
    if before is None or after is None:
        return smaller
    speed = before / after
    faster = f"{speed:.1f} times as fast" if speed > SAME_COST else "about as fast"
    return f"{faster} {link} {smaller}"


def _points(best: ArmSummary, cheapest: ArmSummary) -> str:
    lost = 100 * _gap(best, cheapest)
    if abs(lost) < 0.05:
        return "with the same weighted F1 on test"
    direction = "lower" if lost > 0 else "higher"
    return f"with a weighted F1 on test that is {abs(lost):.1f} points {direction}"


def _evidence(evidence: Evidence | None, chosen: Sequence[ArmSummary], alone: bool) -> str:
    if alone and not (evidence and evidence.contrasts):
        return ""
    if evidence is not None:
        return tell_contrasts(evidence, list(dict.fromkeys(arm.name for arm in chosen)))
    return (
        "These results have no intervals or tests yet; `distillora compare` with the same --out "
        "adds them."
    )


def _teacher(best: ArmSummary, arms: Sequence[ArmSummary]) -> str:
    teachers = [arm for arm in arms if arm.name in best.first.teachers and arm is not best]
    if len(teachers) != 1:
        return ""
    (teacher,) = teachers
    return (
        f"Its teacher, ‘{teacher.name}’, has a weighted F1 of "
        f"{formats.ratio(teacher.mean(f1_on_test))} and takes {_running_cost(teacher)}."
    )


def _cards(
    best: ArmSummary, cheapest: ArmSummary, evidence: Evidence | None, alone: bool
) -> tuple[Card, ...]:
    tuned = " at tuned thresholds" if best.first.metrics.test.tuned else ""
    quality = f"{formats.ratio(best.mean(f1_on_test))} weighted F1 on test{tuned}"
    shown = (_shown_card(evidence),) if evidence and evidence.contrasts else ()
    if best is not cheapest:
        return (
            Card("Best quality", best.name, quality),
            Card("Cheapest to run", cheapest.name, _running_cost(cheapest)),
            *shown,
        )
    if alone:
        return (Card("The only arm", best.name, quality),)
    return (Card("Best quality, and cheapest to run", best.name, quality), *shown)


def _shown_card(evidence: Evidence) -> Card:
    asked = len(evidence.contrasts)
    shown = sum(found.shown for found in evidence.contrasts)
    return Card(
        "Differences shown",
        f"{shown} of {asked} contrast{'s' if asked > 1 else ''}",
        f"with a corrected p below 0.05 and {FEWEST_SEEDS} seeds or more",
    )


def _gap(best: ArmSummary, other: ArmSummary) -> float:
    return best.mean(f1_on_test) - other.mean(f1_on_test)


def _running_cost(arm: ArmSummary) -> str:
    size, time = f"{formats.size(arm.mean(model_bytes))} on disk", arm.known(latency)
    return size if time is None else f"{formats.short(time)} ms for one text and {size}"
