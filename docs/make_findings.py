"""Write the tables of findings.md anew from the recorded results.

Each table stands between two comments, ``<!-- differences RUN REFERENCE -->`` or
``<!-- ladder RUN -->`` and ``<!-- end -->``. With ``--check`` nothing is written: the exit status
is 1 if a table does not say what the results say.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from distillora.evaluation.evidence import Difference, Estimate, Evidence
from distillora.evaluation.results import Results
from distillora.report.summary import ArmSummary, latency, summarise

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "findings.md"
TABLE = re.compile(r"(<!-- (differences|ladder|shares) (.*?) -->\n).*?(<!-- end -->)", re.DOTALL)
METRICS = {
    "accuracy": "accuracy",
    "f1_weighted": "weighted F1",
    "f1_macro": "macro F1",
}
RUNGS = {
    "fixed": "0.5",
    "one": "one, tuned",
    "exact": "per label",
    "tuned": "per label, shrunk",
    "oracle": "oracle, not a result",
}


def differences(run: str, reference: str) -> Iterator[list[str]]:
    """Yield each arm's figures on test, and its difference from one arm in the headline metric."""
    results = load(run)
    evidence = needed(results)
    yield ["arm", "seeds", *METRICS.values(), f"{METRICS[evidence.headline]} minus `{reference}`"]
    yield ["---", "--:", *["--:"] * len(METRICS), "--:"]
    for arm in evidence.arms:
        figures = [estimate(arm.metrics[metric]) for metric in METRICS]
        against = "" if arm.name == reference else tell(evidence.difference(arm.name, reference))
        yield [f"`{arm.name}`", str(len(arm.seeds)), *figures, against]


def shares(run: str, reference: str) -> Iterator[list[str]]:
    """Yield each arm's depth, parameters, cost, and share of one arm's weighted F1."""
    results = load(run)
    evidence = needed(results)
    whole = evidence.arm(reference).metrics["f1_weighted"].mean
    yield ["arm", "layers", "trained of all", "size", "one text", f"share of `{reference}`"]
    yield ["---", "---", "--:", "--:", "--:", "--:"]
    for arm in summarise(results):
        own = evidence.arm(arm.name).metrics["f1_weighted"].mean
        yield [f"`{arm.name}`", *cost(arm), f"{100 * own / whole:.1f} %"]


def cost(arm: ArmSummary) -> list[str]:
    """Return layers, parameters, size and latency in words."""
    first, time = arm.first, arm.known(latency)
    return [
        " ".join(map(str, first.layers)) or "none",
        f"{first.parameters.trainable:,} of {first.parameters.total:,}",
        f"{first.cost.model_bytes / 1e6:.1f} MB",
        "–" if time is None else f"{time:.1f} ms",
    ]


def ladder(run: str) -> Iterator[list[str]]:
    """Yield each arm's macro F1 on test by how its thresholds were set, means over its seeds."""
    yield ["arm", *RUNGS.values()]
    yield ["---", *["--:"] * len(RUNGS)]
    for arm in summarise(load(run)):
        ladders = [run.ladder for run in arm.runs if run.ladder is not None]
        means = [sum(getattr(own, r).f1_macro for own in ladders) / len(ladders) for r in RUNGS]
        yield [f"`{arm.name}`", *(f"{mean:.4f}" for mean in means)]


def estimate(found: Estimate) -> str:
    """Write a mean with its deviation over the seeds and its 95 % interval."""
    spread = "" if found.deviation is None else f" ± {found.deviation:.4f}"
    return f"{found.mean:.4f}{spread} ({found.low:.4f} to {found.high:.4f})"


def tell(found: Difference) -> str:
    """Write a difference in points with its 95 % interval and corrected p."""
    p = "p < 0.001" if found.p_holm < 0.001 else f"p = {found.p_holm:.3f}"
    points = [f"{100 * value:+.2f}" for value in (found.mean, found.low, found.high)]
    return f"{points[0]} ({points[1]} to {points[2]}), {p}"


def load(run: str) -> Results:
    """Read a recorded run."""
    return Results.load(ROOT / "results" / run / "results.json")


def needed(results: Results) -> Evidence:
    """Return the evidence of a run that has one."""
    if results.evidence is None:
        raise SystemExit(f"{results.recipe['name']} was recorded without evidence")
    return results.evidence


def render(page: str) -> str:
    """Return the page with every table made anew."""

    def make(found: re.Match[str]) -> str:
        kinds = {"differences": differences, "ladder": ladder, "shares": shares}
        rows = kinds[found[2]](*found[3].split())
        table = "".join(f"| {' | '.join(cells)} |\n" for cells in rows)
        return f"{found[1]}{table}{found[4]}"

    return TABLE.sub(make, page)


def main() -> None:
    """Write the page, or check it."""
    page = PAGE.read_text("utf-8")
    made = render(page)
    if "--check" in sys.argv[1:]:
        sys.exit(made != page)
    PAGE.write_text(made, "utf-8")


if __name__ == "__main__":
    main()
