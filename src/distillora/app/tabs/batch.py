"""Batch: a file of texts in, the same file with predictions out."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import streamlit as st

from distillora.app.scoring import (
    MIME,
    ScoredFile,
    WatchedClassifier,
    count_rows,
    format_of,
    preview,
    score_upload,
)
from distillora.app.settings import MAX_UPLOAD_MB
from distillora.app.state import View
from distillora.inference.bulk import DEFAULT_COLUMNS, Format
from distillora.readers.file_formats import TABLE_EXTENSIONS
from distillora.readers.rows import find_text_column

TARGETS: tuple[Format, ...] = ("csv", "jsonl", "parquet")


def show(view: View) -> None:
    """Draw the tab."""
    st.header("Score a file", anchor=False)
    upload = st.file_uploader(
        f"A CSV, Parquet or JSON Lines file of up to {MAX_UPLOAD_MB} MB",
        type=list(TABLE_EXTENSIONS),
        key="upload",
        max_upload_size=MAX_UPLOAD_MB,
        help="Also TSV. CSV and TSV need a header. JSON Lines has one object per line. All in "
        "UTF-8.",
    )
    if upload is None:
        st.info(
            "The result has all rows and columns of the file, plus the columns "
            f"{', '.join(f'`{name}`' for name in DEFAULT_COLUMNS)} and `error`. For larger files, "
            "use `distillora predict` on the command line.",
            icon=":material/upload_file:",
        )
        return
    content = upload.getvalue()
    kind = format_of(upload.name)
    table = preview(content, kind, upload.name)
    column, target, prefix, all_scores = _choose(list(table), kind)
    st.markdown(f"**First rows** of {upload.name}")
    st.dataframe(table, hide_index=True, alt=f"First rows of {upload.name}")
    settings = (view.choice, view.rule, column, target, prefix, all_scores)
    ticket = hashlib.sha256(repr(settings).encode() + content).hexdigest()
    if st.button("Score the file", type="primary", icon=":material/play_arrow:"):
        bar = st.progress(0.0, "Reading the file …")

        def tell(done: int) -> None:
            bar.progress(min(1.0, done / max(1, rows)), f"{done:,} texts classified")

        rows = count_rows(content, kind, upload.name)
        watched = WatchedClassifier(view.classifier, view.rule, tell)
        st.session_state["scored"] = None
        scored = score_upload(
            watched, content, upload.name, column, target, prefix=prefix, all_scores=all_scores
        )
        bar.empty()
        st.session_state["scored"] = (ticket, scored)
    made: tuple[str, ScoredFile] | None = st.session_state.get("scored")
    if made and made[0] == ticket:
        _show_result(made[1])
    elif made:
        st.caption("The file or a setting has changed since it was scored. Score it again.")


def _choose(columns: Sequence[str], kind: Format) -> tuple[str, Format, str, bool]:
    likely = find_text_column(columns) or columns[0]
    left, right = st.columns(2)
    column = left.selectbox("Text column", columns, columns.index(likely), key="column")
    target = right.selectbox(
        "Download as",
        TARGETS,
        TARGETS.index(kind) if kind in TARGETS else 0,
        key="target",
        format_func={"csv": "CSV", "jsonl": "JSON Lines", "parquet": "Parquet"}.__getitem__,
    )
    with st.expander("More settings"):
        prefix = st.text_input("Prefix of the added columns", key="prefix", max_chars=40)
        all_scores = st.checkbox("Add the probability of every label", key="all_scores")
    return column, target, prefix or "", all_scores


def _show_result(scored: ScoredFile) -> None:
    summary = scored.summary
    st.success(
        f"{summary.rows:,} rows in {summary.seconds:.1f} s"
        + (f", {summary.failed:,} of them could not be scored" if summary.failed else ""),
        icon=":material/check_circle:",
    )
    if summary.first_failures:
        st.caption("Not scored: " + "; ".join(f"{w}: {e}" for w, e in summary.first_failures))
    st.download_button(
        f"Download {scored.name}",
        scored.content,
        scored.name,
        MIME[scored.format],
        type="primary",
        icon=":material/download:",
        on_click="ignore",
    )
    head = preview(scored.content, scored.format, scored.name)
    st.dataframe(head, hide_index=True, alt="First rows of the scored file")
