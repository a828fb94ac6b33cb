from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app.looking import bars_of, button, by_label, html_of, words_of
from distillora.inference.classifier import TextClassifier

OpenApp = Callable[..., AppTest]
DEFAULT = "I can't believe how amazing this day turned out!"


def test_the_original_sentence_stands_ready(open_app: OpenApp) -> None:
    page = open_app()
    assert not page.exception
    assert page.text_area[0].value == DEFAULT


def test_every_label_has_a_bar_the_most_probable_first(open_app: OpenApp, bundle: Path) -> None:
    page = button(open_app(), "Predict Emotion").click().run()
    prediction = TextClassifier.load(bundle).predict(DEFAULT)[0]
    told = bars_of(page)
    assert len(told) == 28
    assert [bar.split(" (")[0] for bar in told] == list(prediction.scores)
    assert told[0] == f"joy (positive): {prediction.score:.3f}, reaches its threshold of 0.40"
    assert f">joy <small>{prediction.score:.2f}</small>" in html_of(page)


def test_thresholds_are_tick_marks_in_the_chart(open_app: OpenApp) -> None:
    page = button(open_app(), "Predict Emotion").click().run()
    assert html_of(page).count('class="dl-tick" style="left:40.00%"') == 28


def test_a_single_label_model_has_no_ticks(open_app: OpenApp, few_labels: Path) -> None:
    page = button(open_app(few_labels), "Predict Label").click().run()
    assert len(bars_of(page)) == 3
    assert "dl-tick" not in html_of(page)


def test_bars_can_be_grouped_by_sentiment(open_app: OpenApp) -> None:
    page = button(open_app(order="By sentiment"), "Predict Emotion").click().run()
    groups = [bar.split("(")[1].split(")")[0] for bar in bars_of(page)]
    assert list(dict.fromkeys(groups)) == ["positive", "negative", "ambiguous", "neutral"]
    assert groups == sorted(groups, key=["positive", "negative", "ambiguous", "neutral"].index)


def test_each_sentiment_has_its_own_symbol_and_pattern(open_app: OpenApp) -> None:
    shown = html_of(button(open_app(), "Predict Emotion").click().run())
    for name, symbol in {
        "positive": "+",
        "negative": "−",
        "ambiguous": "?",
        "neutral": "○",
    }.items():
        assert f'<i class="dl-swatch dl-{name}"></i>{symbol} {name}' in shown


def test_the_words_that_push_the_label_are_marked_and_named(open_app: OpenApp) -> None:
    page = button(open_app(), "Predict Emotion").click().run()
    shown = html_of(page)
    assert '<span class="dl-for dl-level-3" title="+5.00: for the label">amazing</span>' in shown
    assert (
        '<span class="dl-against dl-level-1" title="−1.00: against the label">believe</span>'
        in shown
    )
    assert "For joy: “amazing” +5.00. Against joy: “believe” −1.00." in shown


def test_another_label_can_be_explained(open_app: OpenApp) -> None:
    page = button(open_app(), "Predict Emotion").click().run()
    page = by_label(page.selectbox, "Explain the label").select("surprise").run()
    assert "For surprise: “believe” +1.50." in html_of(page)


def test_a_new_text_is_explained_by_its_own_label(open_app: OpenApp) -> None:
    page = button(open_app(), "Predict Emotion").click().run()
    by_label(page.selectbox, "Explain the label").select("surprise").run()
    page.text_area[0].input("love love")
    page = button(page, "Predict Emotion").click().run()
    assert by_label(page.selectbox, "Explain the label").value == "love"


def test_no_label_at_its_threshold_is_called_unsure(open_app: OpenApp) -> None:
    page = open_app()
    page.text_area[0].input("nothing known here")
    page = button(page, "Predict Emotion").click().run()
    assert "Unsure" in words_of(page)
    assert "No label reaches its threshold" in words_of(page)


def test_two_close_labels_are_called_unsure(open_app: OpenApp, few_labels: Path) -> None:
    page = open_app(few_labels)
    page.text_area[0].input("nothing known here")
    page = button(page, "Predict Label").click().run()
    assert "are close" in words_of(page)


def test_a_clear_answer_is_not_called_unsure(open_app: OpenApp) -> None:
    page = button(open_app(), "Predict Emotion").click().run()
    assert "Unsure" not in words_of(page)


def test_a_text_that_is_too_long_is_said_to_be_cut(open_app: OpenApp) -> None:
    page = open_app()
    page.text_area[0].input("amazing " * 100)
    assert "The text was cut" in words_of(button(page, "Predict Emotion").click().run())


@pytest.mark.parametrize("label", ["Predict Emotion", "Predict Toxicity"])
def test_without_a_text_it_asks_for_one(open_app: OpenApp, label: str) -> None:
    page = open_app()
    page.text_area[0].input("  ")
    page = button(page, label).click().run()
    assert not page.exception
    assert "Enter a text first." in words_of(page)


def test_markup_in_a_text_stays_text(open_app: OpenApp) -> None:
    page = open_app()
    page.text_area[0].input("<img src=x onerror=alert(1)> amazing")
    page = button(page, "Predict Emotion").click().run()
    bodies = " ".join(element.proto.body for element in page.html)
    assert "<img" not in bodies
    assert "&lt;img" in bodies


def test_both_toxicity_readings_are_shown(open_app: OpenApp) -> None:
    page = open_app()
    page.text_area[0].input("awful")
    shown = html_of(button(page, "Predict Toxicity").click().run())
    assert '<p class="dl-lead">Toxic <small>0.9' in shown
    assert "The original study's rule: Toxic." in shown


def test_sadness_is_toxic_by_the_original_rule_alone(open_app: OpenApp) -> None:
    page = open_app()
    page.text_area[0].input("lonely")
    shown = html_of(button(page, "Predict Toxicity").click().run())
    assert '<p class="dl-lead">Not toxic' in shown
    assert "The original study's rule: Toxic." in shown


def test_the_emotions_and_the_threshold_of_toxicity_can_be_set(open_app: OpenApp) -> None:
    page = open_app()
    page.text_area[0].input("lonely")
    page = button(page, "Predict Toxicity").click().run()
    by_label(page.multiselect, "Hostile emotions").select("sadness").run()
    assert '<p class="dl-lead">Toxic' in html_of(page)
    by_label(page.slider, "Threshold").set_value(0.95).run()
    assert '<p class="dl-lead">Not toxic' in html_of(page)


def test_without_hostile_emotions_it_asks_for_some(open_app: OpenApp, few_labels: Path) -> None:
    page = button(open_app(few_labels), "Predict Toxicity").click().run()
    assert not page.exception
    assert "The toxicity rule has no emotions" in words_of(page)


def test_the_history_brings_back_a_text(open_app: OpenApp) -> None:
    page = open_app()
    page.text_area[0].input("love")
    button(page, "Predict Emotion").click().run()
    page.text_area[0].input("awful")
    button(page, "Predict Toxicity").click().run()
    page = button(page, "emotion: love").click().run()
    assert page.text_area[0].value == "love"
    assert ">love <small>" in html_of(page)


def test_the_history_can_be_forgotten(open_app: OpenApp) -> None:
    page = button(open_app(), "Predict Emotion").click().run()
    page = button(page, "Clear history").click().run()
    assert not bars_of(page)
    assert not [b for b in page.button if b.label.startswith("emotion:")]


def test_an_answer_to_an_older_text_says_so(open_app: OpenApp) -> None:
    page = button(open_app(), "Predict Emotion").click().run()
    page = page.text_area[0].input("love").run()
    assert "The text has changed since this prediction" in words_of(page)


def test_the_text_survives_a_look_at_another_tab(open_app: OpenApp) -> None:
    page = open_app()
    page.text_area[0].input("love").run()
    page.session_state["tab"] = "Errors"
    page.run()
    page.session_state["tab"] = "Predict"
    assert page.run().text_area[0].value == "love"
