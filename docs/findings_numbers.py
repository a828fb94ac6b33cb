"""Numbers in sentences, each between ``<!--= EXPRESSION -->`` and ``<!--/-->``.

| expression | value |
| --- | --- |
| ``figure RUN ARM METRIC`` | a figure on test, mean over the seeds |
| ``points RUN A B [METRIC]`` | A minus B in points, of the headline metric if none is named |
| ``p RUN A B``, ``p_holm RUN A B`` | raw and corrected p-value of a contrast |
| ``detectable RUN A B`` | the minimum detectable difference of a contrast, in points |
| ``rung RUN ARM RUNG`` | macro F1 at one rung of the ladder of thresholds |
| ``gain RUN ARM RUNG FROM`` | how many points one rung is above another |
| ``latency RUN ARM`` | milliseconds for one text |
| ``trained RUN ARM`` | percent of the parameters that were trained |
| ``several RUN`` | percent of the test texts that have several labels |

``figure`` and ``points`` have variants for the ends of the interval: ``points.low``,
``figure.high``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from findings_tables import evidence_of, load, rung, write_p, write_points

from distillora.evaluation.evidence import ContrastEvidence
from distillora.report.formats import least_points
from distillora.report.summary import ArmSummary, latency, summarise

MARK = re.compile(r"<!--= (?P<expression>[^>]*?) -->(?P<value>[^<\n]*|< [\d.]+)<!--/-->")
NUMBER = re.compile(r"\d+(?:\.\d+)?\s?%|\d+\.\d+")
HIDDEN = re.compile(r"```.*?```|`[^`\n]+`|\]\([^)\n]*\)|https?://\S+", re.DOTALL)
SETTINGS = {
    "95%": "the level of the intervals",
    "80%": "the power behind the detectable difference",
    "0.05": "the level of the tests",
    "0.5": "the fixed threshold of multi-label models",
}


def evaluate(expression: str) -> str:
    """Return the number that an expression stands for.

    Raises:
        ValueError: there is no such expression, run, arm, metric or contrast.
    """
    function, *arguments = expression.split()
    name, _, end = function.partition(".")
    try:
        if name == "figure":
            return figure(*arguments, end=end or "mean")
        if name == "points":
            return points(*arguments, end=end or "mean")
        return SIMPLE[function](*arguments)
    except (KeyError, TypeError, OSError, AttributeError) as error:
        raise ValueError(f"cannot evaluate '{expression}': {error}") from error


def figure(run: str, arm: str, metric: str, end: str) -> str:
    """Write a figure on test, or an end of its interval."""
    return f"{getattr(evidence_of(run).arm(arm).metrics[metric], end):.4f}"


def points(run: str, first: str, second: str, metric: str | None = None, *, end: str) -> str:
    """Write a difference in points, or an end of its interval."""
    return write_points(getattr(evidence_of(run).difference(first, second, metric), end))


def contrast(run: str, first: str, second: str) -> ContrastEvidence:
    """Find the contrast of two arms."""
    pairs = {(c.first, c.second): c for c in evidence_of(run).contrasts}
    return pairs[first, second]


def detectable(run: str, first: str, second: str) -> str:
    """Write the minimum detectable difference of a contrast in points."""
    found = contrast(run, first, second).detectable
    if found is None:
        raise KeyError("a contrast with too few seeds has no detectable difference")
    return least_points(found)


def corrected(run: str, first: str, second: str) -> str:
    """Write the corrected p-value of a contrast."""
    found = contrast(run, first, second).p_holm
    if found is None:
        raise KeyError("a contrast with too few seeds has no corrected p-value")
    return write_p(found)


def summary(run: str, name: str) -> ArmSummary:
    """Find an arm of a run."""
    return {arm.name: arm for arm in summarise(load(run))}[name]


def trained(run: str, name: str) -> str:
    """Write the percentage of an arm's parameters that were trained."""
    parameters = summary(run, name).first.parameters
    return f"{100 * parameters.trainable / parameters.total:.1f}%"


def several(run: str) -> str:
    """Write the percentage of test texts with several labels."""
    test = load(run).data.audit.splits["test"]
    return f"{100 * (test.rows - test.labels_per_row.get(1, 0)) / test.rows:.1f}%"


SIMPLE = {
    "p": lambda run, first, second: write_p(contrast(run, first, second).difference.p),
    "p_holm": corrected,
    "detectable": detectable,
    "rung": lambda run, arm, name: f"{rung(summary(run, arm), name):.4f}",
    "gain": lambda run, arm, name, start: write_points(
        rung(summary(run, arm), name) - rung(summary(run, arm), start)
    ),
    "latency": lambda run, arm: f"{summary(run, arm).known(latency):.1f}",
    "trained": trained,
    "several": several,
}


def find_unmarked(text: str) -> Iterator[tuple[int, str]]:
    """Yield the offset of each decimal number or percentage that nothing recomputes, and it.

    ``text`` must have no generated tables any more. Code, links' targets and the few constants
    in ``SETTINGS`` may stand unmarked.
    """
    prose = MARK.sub(_blank, HIDDEN.sub(_blank, text))
    for found in NUMBER.finditer(prose):
        if found[0].replace(" ", "") not in SETTINGS:
            yield found.start(), found[0]


def _blank(found: re.Match[str]) -> str:
    return re.sub(r"[^\n]", " ", found[0])
