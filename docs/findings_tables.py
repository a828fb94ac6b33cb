"""The tables that `make_findings.py` writes, each made from the results of one recorded run."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

from distillora.evaluation.evidence import ContrastEvidence, Estimate, Evidence
from distillora.evaluation.results import Results
from distillora.report.columns import threshold_method
from distillora.report.formats import least_points
from distillora.report.summary import ArmSummary, latency, summarise

ROOT = Path(__file__).parents[1]
METRICS = {"accuracy": "accuracy", "f1_weighted": "weighted F1", "f1_macro": "macro F1"}
RUNGS = {
    "fixed": "0.5",
    "one": "one, tuned",
    "exact": "per label",
    "tuned": "as shipped",
    "oracle": "oracle, not a result",
}
MISSING = "–"


@cache
def load(run: str) -> Results:
    """Read a recorded run."""
    return Results.load(ROOT / "results" / run / "results.json")


def evidence_of(run: str) -> Evidence:
    """Return the evidence of a recorded run; ValueError if it has none."""
    found = load(run).evidence
    if found is None:
        raise ValueError(f"{run} was recorded without evidence")
    return found


def write_table(header: list[str], rows: list[list[str]], words: int = 1) -> str:
    """Return a Markdown table; all columns after the first ``words`` hold numbers."""
    rule = ["---"] * words + ["--:"] * (len(header) - words)
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (header, rule, *rows))


def arms(run: str) -> str:
    """Return each arm's figures on test with their intervals."""
    rows = [
        [f"`{arm.name}`", str(len(arm.seeds)), *(estimate(arm.metrics[key]) for key in METRICS)]
        for arm in evidence_of(run).arms
    ]
    return write_table(["arm", "seeds", *METRICS.values()], rows)


def estimate(found: Estimate) -> str:
    """Write a mean with its deviation over the seeds and its 95 % interval."""
    return f"{spread(found)} ({found.low:.4f} to {found.high:.4f})"


def spread(found: Estimate) -> str:
    """Write a mean with its deviation over the seeds, where there are several."""
    deviation = "" if found.deviation is None else f" ± {found.deviation:.4f}"
    return f"{found.mean:.4f}{deviation}"


def contrasts(run: str) -> str:
    """Return the recipe's questions with what the run answers."""
    found = evidence_of(run)
    header = ["question", "first − second", f"points of {METRICS[found.headline]}"]
    header += ["p", "p, corrected", "detectable", "answer"]
    return write_table(header, [contrast_row(c, found.headline) for c in found.contrasts], words=2)


def contrast_row(contrast: ContrastEvidence, headline: str) -> list[str]:
    """Return the cells of one contrast; another metric than the headline is named."""
    found = contrast.difference
    low, high = write_points(found.low), write_points(found.high)
    metric = "" if contrast.metric == headline else f" ({METRICS[contrast.metric]})"
    detectable = contrast.detectable
    return [
        contrast.question + metric,
        f"`{contrast.first}` − `{contrast.second}`",
        f"{write_points(found.mean)} ({low} to {high})",
        write_p(found.p),
        MISSING if contrast.p_holm is None else write_p(contrast.p_holm),
        MISSING if detectable is None or contrast.same else least_points(detectable),
        answer(contrast),
    ]


def answer(contrast: ContrastEvidence) -> str:
    """Say in two words what the contrast answers."""
    if contrast.same:
        return "nothing differs"
    if contrast.detectable is None:
        return "one seed" if 1 in contrast.seeds else "too few seeds"
    return "shown" if contrast.shown else "not shown"


def write_points(value: float) -> str:
    """Write a difference in points, with its sign.

    >>> write_points(0.0123), write_points(-0.0001)
    ('+1.2', '0.0')
    """
    text = f"{100 * value:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text


def write_p(value: float) -> str:
    """Write a p-value, of a tiny one only that it is tiny."""
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def costs(run: str) -> str:
    """Return each arm's layers, parameters, size and latency, and how the latency was measured."""
    header = ["arm", "layers", "trained of all", "size", "one text"]
    table = write_table(header, [cost_row(arm) for arm in summarise(load(run))], words=2)
    how = (
        "timed arm by arm and not in one session, so figures of different shapes compare roughly"
        if load(run).measurement is None
        else "measured in interleaved rounds"
    )
    return f"{table}\nOne text: milliseconds, {how}. Arms of one shape share one figure.\n"


def cost_row(arm: ArmSummary) -> list[str]:
    """Return the cells of one arm."""
    time = arm.known(latency)
    return [
        f"`{arm.name}`",
        layers(arm),
        parameters(arm),
        size(arm),
        MISSING if time is None else f"{time:.1f} ms",
    ]


def layers(arm: ArmSummary) -> str:
    """Name the layers that an arm keeps."""
    return " ".join(map(str, arm.first.layers)) or "none"


def parameters(arm: ArmSummary) -> str:
    """Write how many parameters of how many were trained."""
    return f"{arm.first.parameters.trainable:,} of {arm.first.parameters.total:,}"


def size(arm: ArmSummary) -> str:
    """Write the size of the weights that ship."""
    return f"{arm.first.cost.model_bytes / 1e6:.1f} MB"


def ladder(run: str) -> str:
    """Return each arm's macro F1 on test by how its thresholds were set, means over its seeds.

    Cross-validation chooses the method that sets those that ship, for each arm; before there was a
    choice, all were shrunk.
    """
    rows = [
        [f"`{arm.name}`", methods(arm), *(f"{rung(arm, name):.4f}" for name in RUNGS)]
        for arm in summarise(load(run))
    ]
    return write_table(["arm", "ships", *RUNGS.values()], rows, words=2)


def methods(arm: ArmSummary) -> str:
    """Say how the thresholds that ship were set, at any of the arm's seeds."""
    return ", ".join(dict.fromkeys(map(threshold_method, arm.runs)))


def rung(arm: ArmSummary, name: str) -> float:
    """Return an arm's macro F1 on test at one rung of the ladder, mean over its seeds."""
    found = [getattr(run.ladder, name).f1_macro for run in arm.runs if run.ladder is not None]
    return float(sum(found) / len(found))


def overview(run: str) -> str:
    """Return the table of the README: quality and size of each arm."""
    header = ["arm", "layers", *METRICS.values(), "trained parameters", "size"]
    rows = []
    for arm in summarise(load(run)):
        figures = evidence_of(run).arm(arm.name).metrics
        quality = [spread(figures[key]) for key in METRICS]
        rows.append([f"`{arm.name}`", layers(arm), *quality, parameters(arm), size(arm)])
    return write_table(header, rows, words=2)


TABLES: dict[str, Callable[[str], str]] = {
    "arms": arms,
    "contrasts": contrasts,
    "costs": costs,
    "ladder": ladder,
    "overview": overview,
}
