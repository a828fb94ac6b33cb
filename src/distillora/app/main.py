"""The page around the tabs. Streamlit runs this file."""

from __future__ import annotations

import sys
from pathlib import Path

import streamlit as st

from distillora.app import charts, sidebar, words
from distillora.app.models import find_choices, open_classifier
from distillora.app.settings import Options
from distillora.app.state import View
from distillora.app.tabs import batch, compare, distribution, errors, predict, report
from distillora.errors import DistilloraError

TABS = {
    "Predict": predict.show,
    "Distribution": distribution.show,
    "Errors": errors.show,
    "Compare": compare.show,
    "Batch": batch.show,
    "Report": report.show,
}


def show(options: Options) -> None:
    """Draw the page."""
    st.set_page_config(
        page_title="distillora",
        page_icon=Path(__file__).with_name("icon.svg"),
        layout="wide",
        menu_items={"about": f"**distillora** {words.ABOUT}"},
    )
    st.html(Path(__file__).with_name("style.css"))
    st.html(charts.chart_css())
    st.title("distillora", anchor=False)
    try:
        view = _choose(options)
    except DistilloraError as error:
        st.error(str(error), icon=":material/error:")
        return
    st.caption(words.tagline(view.classifier.labels))
    try:
        _show_tabs(view)
    except DistilloraError as error:
        st.error(str(error), icon=":material/error:")
    with st.expander("Limits", icon=":material/info:"):
        st.markdown(words.limits(view.classifier.labels))
        st.caption(words.PRIVACY)


def _choose(options: Options) -> View:
    choices = find_choices(options)
    choice = sidebar.choose_model(choices)
    classifier = open_classifier(choice)
    examples, draw = sidebar.choose_examples()
    rule = sidebar.choose_rule(classifier)
    return View(options, tuple(choices), choice, classifier, rule, examples, draw)


def _show_tabs(view: View) -> None:
    for tab, draw_tab in zip(
        st.tabs(list(TABS), key="tab", bind="query-params"), TABS.values(), strict=True
    ):
        if tab.open:
            with tab:
                draw_tab(view)
    sidebar.show_link()


if __name__ == "__main__":
    show(Options.parse(sys.argv[1:]))
