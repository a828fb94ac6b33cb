"""The table of searches for layers."""

from __future__ import annotations

from distillora.evaluation.results import LayerSearchRecord, TriedLayers
from distillora.report.tables import search_table


def test_a_search_is_told_with_what_it_kept_and_what_it_cost(default_run):
    _, results = default_run
    odd = next(arm for arm in results.arms if arm.name == "odd")
    tried = tuple(TriedLayers(layers=layers, loss=loss) for layers, loss in
                  [((0, 1), 1.5), ((0, 2), 1.25), ((1, 2), 2.0)])  # fmt: skip
    search = LayerSearchRecord(tried=tried, seconds=75)
    searched = odd.model_copy(update={"layers": (0, 2), "search": search})
    table = search_table(results.model_copy(update={"arms": (searched,)}))
    assert table is not None
    (row,) = table.rows
    assert [cell.text for cell in row] == ["odd", "0", "0, 2", "3", "1.250", "1:15"]


def test_without_a_search_there_is_no_table(default_run):
    assert search_table(default_run[1]) is None
