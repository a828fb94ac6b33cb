"""The report of a run: its content, and its HTML and Markdown files."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from distillora.artifacts import RunLayout, write_atomic
from distillora.evaluation.integrity import check_chain, check_run, load_results
from distillora.evaluation.results import Results
from distillora.report import charts, tables, theme
from distillora.report.evidence import evidence_blocks
from distillora.report.formats import Block, Figure, Page, Section, Table, Text
from distillora.report.provenance import audit_blocks, origin_blocks
from distillora.report.published import find_published
from distillora.report.summary import summarise
from distillora.report.tables import search_table
from distillora.report.timing import describe_measurement
from distillora.report.tradeoff import tradeoff_figure
from distillora.report.verdict import Verdict, judge


def write_report(run_dir: Path, warn: Callable[[str], None] | None = None) -> Path:
    """Write the report of a finished run from its files.

    Args:
        run_dir: the run's folder.
        warn: is called with each warning about files that do not match the results; the report
            has them too.

    Returns:
        The path of ``report.html``; ``report.md`` and ``charts/`` are next to it.

    Raises:
        RunFolderError: there is no ``results.json``, or the folder's weights, predictions or data
            do not match it.
        IntegrityError: ``results.json`` is damaged, or its arms were not trained from one another
            as it says.
    """
    layout = RunLayout(run_dir)
    results = load_results(layout)
    check_chain(results)
    notes = check_run(layout, results)
    if warn is not None:
        for note in notes:
            warn(note)
    return build_report(results, run_dir, notes)


def build_report(results: Results, run_dir: Path, notes: Sequence[str] = ()) -> Path:
    """Write ``report.html``, ``report.md`` and ``charts/*.svg`` into a run's folder.

    Args:
        results: the results of the run.
        run_dir: the run's folder.
        notes: warnings to add to the report's own.

    Returns:
        The path of ``report.html``.
    """
    page = compose(results, notes)
    for figure in (b for s in page.sections for b in s.blocks if isinstance(b, Figure)):
        write_atomic(run_dir / "charts" / f"{figure.name}.svg", figure.svg)
    write_atomic(run_dir / "report.md", _render("report.md.j2", page))
    target = RunLayout(run_dir).report
    write_atomic(target, _render("report.html.j2", page))
    return target


def compose(results: Results, notes: Sequence[str] = ()) -> Page:
    """Return the content of the report."""
    verdict = judge(results)
    name = str(results.recipe.get("name", "run"))
    return Page(
        title=f"{name}: which model to ship",
        description=str(results.recipe.get("description", "")),
        verdict=verdict.text,
        cards=verdict.cards,
        warnings=(*notes, *_warnings(results)),
        sections=_sections(results, verdict),
        footer=f"Made by distillora {results.environment.distillora} "
        f"from the recipe ‘{name}’, {results.environment.created}.",
    )


def _warnings(results: Results) -> tuple[str, ...]:
    warnings = []
    if results.recipe.get("data", {}).get("source") == "sample":
        warnings.append(
            "This run used the bundled sample, which is for trying out distillora. Its quality "
            "figures mean nothing for real text."
        )
    if limit := results.recipe.get("data", {}).get("limit"):
        warnings.append(
            f"At most the first {limit:,} rows of each split were used. Figures for the whole data "
            "set may differ."
        )
    return tuple(warnings)


def _sections(results: Results, verdict: Verdict) -> tuple[Section, ...]:
    arms, data = summarise(results), results.data
    sections = [
        _section("Quality", tables.label_note(results), *tables.quality_tables(results)),
        _section("Evidence", *evidence_blocks(results)),
        _section("Cost", *_cost_blocks(results)),
        _section("Training", charts.loss_figure(arms), search_table(results)),
        _section("Labels", charts.label_figure(arms), tables.label_table(results)),
        _section("Confusions", charts.confusion_figure(verdict.best, data.labels, data.task)),
        _section("Data", *audit_blocks(results)),
    ]
    if published := find_published(results):
        table = tables.published_table(results, published)
        sections.append(_section("Published figures", Text(published.note), table))
    sections.append(_section("Origin", *origin_blocks(results)))
    return tuple(section for section in sections if section.blocks)


def _cost_blocks(results: Results) -> list[Block]:
    measured = describe_measurement(results)
    return [
        *([Text(measured)] if measured else []),
        tables.cost_table(results),
        tradeoff_figure(results),
    ]


def _section(title: str, *blocks: Block | None) -> Section:
    anchor = title.lower().replace(" ", "-")
    return Section(anchor, title, tuple(block for block in blocks if block is not None))


def table_html(table: Table) -> str:
    """Return a table as HTML, without the page's styles."""
    macros: Any = _environment().get_template("table.html.j2").module
    return str(macros.table(table))


def _render(template: str, page: Page) -> str:
    environment = _environment()
    environment.filters.update(inline=_inline, md=_escape_markdown)
    return environment.get_template(template).render(
        page=page, colours=theme.COLOURS, font=theme.FONT
    )


def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("distillora.report"),
        autoescape=lambda name: bool(name and name.endswith(".html.j2")),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _inline(figure: Figure) -> Markup:
    return Markup(theme.inline(figure.svg, f"{figure.title}. {figure.alt}"))


def _escape_markdown(text: str) -> str:
    """Escape text for any place in Markdown, including table cells and link texts."""
    one_line = escape(" ".join(text.split()), quote=False)
    return re.sub(r"([\\`*_\[\]|~#])", r"\\\1", one_line)
