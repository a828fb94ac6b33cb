"""What stands around the tabs: models, links, comparison, report, limits."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from streamlit.testing.v1 import AppTest

from app.bag import save_bag
from app.looking import button, by_label, html_of, words_of

OpenApp = Callable[..., AppTest]


def test_a_link_restores_tab_model_and_options(
    open_app: OpenApp, bundle: Path, few_labels: Path
) -> None:
    page = open_app(bundle, few_labels, tab="Distribution", model="few labels", samples="30")
    assert by_label(page.slider, "Samples").value == 30
    assert by_label(page.selectbox, "Model").value == "few labels"
    assert page.dataframe[0].value["predicted"].sum() == 30


def test_a_link_to_what_does_not_exist_shows_the_usual_view(open_app: OpenApp) -> None:
    page = open_app(tab="Nowhere", model="gone", samples="1000000", hostile="hunger")
    assert not page.exception
    assert page.text_area[0].label == "Your text"


def test_another_model_answers_the_same_question(
    open_app: OpenApp, bundle: Path, few_labels: Path
) -> None:
    page = button(open_app(bundle, few_labels), "Predict Emotion").click().run()
    page = by_label(page.selectbox, "Model").select("few labels").run()
    assert not page.exception
    assert html_of(page).count('<li class="dl-row') == 3


def test_models_of_one_name_can_be_told_apart(open_app: OpenApp, bundle: Path) -> None:
    page = open_app(bundle, bundle)
    assert by_label(page.selectbox, "Model").options == ["bag of words", "bag of words (2)"]


def test_a_bundle_of_two_precisions_is_two_models(open_app: OpenApp, tmp_path: Path) -> None:
    files = ("model.onnx", "model-int8.onnx")
    folder = save_bag(tmp_path / "both", {}, ("joy", "anger"), name="both", files=files)
    assert by_label(open_app(folder).selectbox, "Model").options == ["both, int8", "both, fp32"]


def test_models_are_compared_on_a_text_and_on_a_sample(
    open_app: OpenApp, bundle: Path, few_labels: Path
) -> None:
    page = open_app(bundle, few_labels, tab="Compare")
    by_label(page.text_area, "Text for all models").input("amazing").run()
    answers, sample = (frame.value for frame in page.dataframe)
    assert not page.exception
    assert list(answers["model"]) == list(sample["model"]) == ["bag of words", "few labels"]
    assert list(answers["emotion"]) == ["joy", "joy"]
    assert (answers["one text"] > 0).all()
    size = (few_labels / "model-int8.onnx").stat().st_size / 1e6
    assert answers["size"][1] == size
    assert sample["same as bag of words"][0] == 1
    assert len(page.get("vega_lite_chart")) == 1


def test_one_model_alone_says_how_to_bring_others(open_app: OpenApp) -> None:
    assert "start the app with `--model` more than once" in words_of(open_app(tab="Compare"))


def test_no_model_chosen_asks_for_one(open_app: OpenApp) -> None:
    page = open_app(tab="Compare")
    page = by_label(page.multiselect, "Models to compare").unselect("bag of words").run()
    assert "Choose at least one model" in words_of(page)


def test_an_empty_text_is_not_compared(open_app: OpenApp) -> None:
    page = open_app(tab="Compare")
    page = by_label(page.text_area, "Text for all models").input(" ").run()
    assert "Enter a text first." in words_of(page)


def test_the_arms_of_a_run_are_models_too(
    open_app: OpenApp, bundle: Path, run_folder: Path
) -> None:
    page = open_app(bundle, run=run_folder, tab="Compare")
    assert by_label(page.selectbox, "Model").options == ["bag of words", "odd (mine)"]
    assert "did not keep the weights of teacher, even, lora, hybrid" in words_of(page)
    assert list(page.dataframe[0].value["model"]) == ["bag of words", "odd (mine)"]


def test_a_damaged_model_is_told_of_and_the_others_go_on(
    open_app: OpenApp, bundle: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(bundle, broken)
    (broken / "model-int8.onnx").write_bytes(b"")
    page = open_app(bundle, broken, tab="Compare")
    assert not page.exception
    assert "is damaged" in words_of(page)
    assert list(page.dataframe[0].value["model"]) == ["bag of words"]


def test_the_report_of_the_run_is_shown(open_app: OpenApp, run_folder: Path) -> None:
    page = open_app(run=run_folder, tab="Report")
    (frame,) = page.get("iframe")
    assert "which model to ship" in frame.proto.srcdoc
    assert page.get("download_button")


def test_without_a_run_the_report_tab_says_how_to_open_one(open_app: OpenApp) -> None:
    assert "distillora app --run runs/NAME" in words_of(open_app(tab="Report"))


def test_a_run_without_report_says_how_to_make_it(
    open_app: OpenApp, run_folder: Path, tmp_path: Path
) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    shutil.copy(run_folder / "results.json", bare)
    assert "distillora report" in words_of(open_app(run=bare, tab="Report"))


def test_the_page_says_what_the_labels_of_the_model_are(
    open_app: OpenApp, bundle: Path, few_labels: Path
) -> None:
    page = open_app(bundle, few_labels)
    said = words_of(page)
    assert "28 emotions" in said and "English Reddit" in said
    said = words_of(by_label(page.selectbox, "Model").select("few labels").run())
    assert "Classifies texts by 3 labels: joy, surprise, zeal." in said
    for word in ("28 emotions", "English", "Sadness does not count"):
        assert word not in said


def test_a_label_that_looks_like_markdown_is_shown_as_it_is(
    open_app: OpenApp, tmp_path: Path
) -> None:
    folder = save_bag(tmp_path / "odd", {}, ("*a*", "[b](http://c)"), name="odd")
    assert r": \*a\*, \[b\]\(http\:\/\/c\)." in words_of(open_app(folder))


def test_every_tab_says_what_the_app_cannot_do(open_app: OpenApp) -> None:
    for tab in ("Predict", "Distribution", "Errors", "Compare", "Batch", "Report"):
        said = words_of(open_app(tab=tab))
        for limit in ("Not a moderation model", "English Reddit", "Sadness does not count"):
            assert limit in said
