"""Report: the report of the run given with ``--run``."""

from __future__ import annotations

import streamlit as st

from distillora.app.state import View
from distillora.artifacts import RunLayout

HEIGHT = 900


def show(view: View) -> None:
    """Draw the tab."""
    run = view.options.run
    if run is None:
        st.info(
            "No run is open. To see the report of a run, start the app with its folder, as "
            "written by `distillora compare`:\n\n"
            "`distillora app --run runs/NAME`",
            icon=":material/description:",
        )
        return
    report = RunLayout(run).report
    if not report.is_file():
        st.warning(
            f"{run.name} has no report yet. Write it with `distillora report {run}`.",
            icon=":material/description:",
        )
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.header(f"Report of {run.name}", anchor=False)
        st.download_button(
            "Download",
            report.read_bytes(),
            "report.html",
            "text/html",
            icon=":material/download:",
            on_click="ignore",
        )
    st.iframe(report, height=HEIGHT, tab_index=0, alt=f"Report of the run {run.name}")
