"""Timing several models in rounds, on a clock that the test turns."""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby

import pytest

from distillora.evaluation.cost import Trial, measure_rounds


class Bench:
    """Models whose predictions move a clock on, and a record of whose turn it was."""

    def __init__(self) -> None:
        self.now = 0.0
        self.calls: list[tuple[str, object]] = []

    def clock(self) -> float:
        return self.now

    def model(self, name: str, seconds: Callable[[int, object], float]) -> Trial:
        """``seconds`` gets the number of the call, of all models together, and the input."""

        def predict(inputs: object) -> None:
            self.now += seconds(len(self.calls), inputs)
            self.calls.append((name, inputs))

        return Trial(predict, single=range(10), batch="batch", texts=64)


def plain(single: float, batch: float) -> Callable[[int, object], float]:
    return lambda call, inputs: batch if inputs == "batch" else single


def test_every_model_has_its_turn_in_every_round() -> None:
    context = Bench()
    trials = {name: context.model(name, plain(1, 1)) for name in ("six", "three", "floor")}
    measure_rounds(trials, 4, context.clock)
    assert [name for name, _ in groupby(name for name, _ in context.calls)] == [*trials] * 4
    for name in trials:
        scored = [inputs for caller, inputs in context.calls if caller == name]
        assert scored.count("batch") == 4
        assert scored.count(9) == 4


def test_the_figures_are_medians_in_milliseconds_and_texts_a_second() -> None:
    context = Bench()
    trials = {
        "rising": context.model(
            "rising", lambda _, i: 2.0 if i == "batch" else 0.001 * int(str(i))
        ),
        "steady": context.model("steady", plain(0.5, 4.0)),
    }
    speeds = measure_rounds(trials, 3, context.clock)
    assert speeds["rising"] == pytest.approx((4.5, 32.0))  # of 0 to 9 ms
    assert speeds["steady"] == pytest.approx((500.0, 16.0))


def test_a_round_in_which_the_machine_is_slow_changes_no_figure() -> None:
    def models(context: Bench, slow: range) -> dict[str, Trial]:
        def seconds(call: int, inputs: object) -> float:
            return (30 if call in slow else 1) * (2.0 if inputs == "batch" else 0.01)

        return {name: context.model(name, seconds) for name in ("six", "three")}

    calm, rough = Bench(), Bench()
    undisturbed = measure_rounds(models(calm, range(0)), 5, calm.clock)
    # 16 calls a turn (5 to warm up, 10, and the batch): the second of five rounds is slow
    disturbed = measure_rounds(models(rough, range(32, 64)), 5, rough.clock)
    for name, speed in undisturbed.items():
        assert disturbed[name] == pytest.approx(speed)


def test_the_first_calls_of_a_turn_are_not_timed() -> None:
    context = Bench()

    def cold(call: int, inputs: object) -> float:
        first = call == 0 or context.calls[-1][0] != "cold"
        return 100.0 if first else 0.001

    trials = {"cold": context.model("cold", cold), "other": context.model("other", plain(1, 1))}
    speed = measure_rounds(trials, 1, context.clock)["cold"]
    assert speed.latency_ms == pytest.approx(1.0)
