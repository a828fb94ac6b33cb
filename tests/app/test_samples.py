from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app.looking import bars_of, button, by_label, html_of, words_of
from distillora.app.samples import Drawing, draw_texts, splits_to_draw_from
from distillora.data.sources import read_dataset
from distillora.inference.classifier import TextClassifier
from distillora.recipe import Data
from tiny import write_tiny_data

OpenApp = Callable[..., AppTest]


def truths() -> dict[str, set[str]]:
    dataset = read_dataset(Data(source="sample"))
    return {
        text: {dataset.label_names[i] for i in labels}
        for name in ("test", "validation")
        for text, labels in zip(
            dataset.splits[name].texts, dataset.splits[name].labels, strict=True
        )
    }


def test_example_texts_come_with_truth_prediction_and_toxicity(open_app: OpenApp) -> None:
    page = open_app()
    by_label(page.toggle, "Use Example Texts").set_value(True).run()
    by_label(page.slider, "Number of examples").set_value(10).run()
    shown = html_of(page)
    assert shown.count('class="dl-quote"') == 10
    for row in ("True", "Predicted", "Labels", "Toxicity"):
        assert shown.count(f"<dt>{row}</dt>") == 10


def test_drawing_others_shows_other_texts(open_app: OpenApp) -> None:
    page = open_app(examples="true", count="3")
    before = html_of(page)
    after = html_of(button(page, "Draw others").click().run())
    assert before != after
    assert page.number_input[0].value == 1


def test_the_same_draw_shows_the_same_texts(open_app: OpenApp) -> None:
    assert html_of(open_app(examples="true", draw="7")) == html_of(
        open_app(examples="true", draw="7")
    )


def test_no_text_is_drawn_from_the_training_split() -> None:
    drawn = draw_texts(Drawing(None, 200, 0))
    assert len(drawn) == 200
    assert {text for text, _ in drawn} <= set(truths())


@pytest.mark.parametrize("samples", [10, 200])
def test_the_distribution_counts_every_text_once(open_app: OpenApp, samples: int) -> None:
    page = open_app(tab="Distribution")
    by_label(page.slider, "Samples").set_value(samples).run()
    table = page.dataframe[0].value
    assert not page.exception
    assert table["predicted"].sum() == samples
    assert table["share"].sum() == pytest.approx(1)
    assert list(table["predicted"]) == sorted(table["predicted"], reverse=True)
    assert len(bars_of(page)) == len(table)


def test_an_error_is_a_text_whose_prediction_is_none_of_its_labels(
    open_app: OpenApp, bundle: Path
) -> None:
    page = open_app(tab="Errors")
    by_label(page.slider, "Samples").set_value(100).run()
    table, true = page.dataframe[0].value, truths()
    classifier = TextClassifier.load(bundle)
    drawn = [text for text, _ in draw_texts(Drawing(None, 100, 0))]
    seen = dict(zip(drawn, [p.label for p in classifier.predict(drawn)], strict=True))
    assert list(table["text"]) == [text for text in drawn if seen[text] not in true[text]]
    assert "*any* of them counts as right" in words_of(page)


def test_errors_are_filtered_by_true_and_predicted_label(open_app: OpenApp) -> None:
    page = open_app(tab="Errors", looked_at="100")
    predicted = by_label(page.selectbox, "Predicted label")
    page = predicted.select(predicted.options[1]).run()
    table = page.dataframe[0].value
    assert set(table["predicted"]) == {predicted.options[1]}
    label = table["true"][0].split(", ")[0]
    table = by_label(page.selectbox, "True label").select(label).run().dataframe[0].value
    assert all(label in row.split(", ") for row in table["true"])


def test_a_filter_that_lets_nothing_through_says_how_to_go_on(open_app: OpenApp) -> None:
    page = open_app(tab="Errors", looked_at="100")
    pairs = set(
        zip(page.dataframe[0].value["true"], page.dataframe[0].value["predicted"], strict=True)
    )
    true, seen = by_label(page.selectbox, "True label"), by_label(page.selectbox, "Predicted label")
    label, other = next(
        (a, b)
        for a in true.options[1:]
        for b in seen.options[1:]
        if not any(a in t.split(", ") and b == s for t, s in pairs)
    )
    true.select(label)
    page = by_label(page.selectbox, "Predicted label").select(other).run()
    assert "No error has these labels" in words_of(page)


def test_errors_come_with_a_heat_map(open_app: OpenApp) -> None:
    page = open_app(tab="Errors")
    (chart,) = page.get("vega_lite_chart")
    assert '"rect"' in chart.proto.spec
    assert chart.proto.alt.startswith("Heat map of true against predicted labels.")


def test_texts_come_from_the_data_folder_if_there_is_one(open_app: OpenApp, tmp_path: Path) -> None:
    folder = write_tiny_data(tmp_path / "mine")
    page = open_app(data=folder, examples="true", count="2")
    assert 'class="dl-quote">w' in html_of(page)
    assert "data folder “mine”" in words_of(page)


def test_fewer_texts_than_asked_for_are_said_to_be_fewer(open_app: OpenApp, tmp_path: Path) -> None:
    folder = write_tiny_data(tmp_path / "mine")
    page = open_app(data=folder, tab="Distribution", samples="200")
    assert not page.exception
    assert "only 40 texts" in words_of(page)


def test_a_large_test_split_is_drawn_from_alone() -> None:
    dataset = read_dataset(Data(source="sample"))
    large = dataset.with_splits({**dataset.splits, "test": dataset.splits["train"]})
    assert splits_to_draw_from(dataset) == ("test", "validation")
    assert splits_to_draw_from(large) == ("test",)


def test_a_broken_data_folder_is_told_of(open_app: OpenApp, tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("joy\n")
    page = open_app(data=tmp_path, tab="Errors")
    assert not page.exception
    assert page.error
