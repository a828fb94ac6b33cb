"""Update the tables and numbers of findings.md, choose.md and the README from the recorded results.

    python docs/make_findings.py [--check] [PAGE ...]

A table is enclosed by ``<!-- KIND RUN -->`` and ``<!-- end -->`` (see ``findings_tables.py``), a
number in a sentence by ``<!--= EXPRESSION -->`` and ``<!--/-->`` (``findings_numbers.py``). In
findings.md, choose.md and the README's section "What it found" every decimal number and every
percentage must be one of these. ``--check`` writes nothing: it names each line that is wrong, and
exits with 1 if there is any.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from findings_numbers import MARK, evaluate, find_unmarked
from findings_tables import ROOT, TABLES

PAGES = (ROOT / "docs" / "findings.md", ROOT / "docs" / "choose.md", ROOT / "README.md")
TABLE = re.compile(
    rf"(?P<start><!-- (?P<kind>{'|'.join(TABLES)}) (?P<run>\S+) -->\n)(?P<body>.*?)<!-- end -->",
    re.DOTALL,
)
SECTION = re.compile(r"^## What it found\n.*?(?=^## )", re.MULTILINE | re.DOTALL)
STARTS_LINE = re.compile(r"^\s*(?:[-*] |\d+\. )?<!--= ", re.MULTILINE)


def make_table(found: re.Match[str]) -> str:
    """Return a table with its markers, made from the results."""
    return f"{found['start']}{TABLES[found['kind']](found['run'])}<!-- end -->"


def make_number(found: re.Match[str]) -> str:
    """Return a number with its markers, made from the results."""
    value = evaluate(found["expression"])
    return f"<!--= {found['expression']} -->{value}<!--/-->"


def faults(page: str, checked: tuple[int, int]) -> Iterator[tuple[int, str]]:
    """Yield the offset and a description of everything on a page that is wrong.

    Args:
        page: its text.
        checked: the part in which every number must be marked, from and to which offset.
    """
    for found in TABLE.finditer(page):
        if make_table(found) != found[0]:
            yield found.start(), f"the table '{found['kind']} {found['run']}' is out of date"
    prose = TABLE.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), page)
    for found in MARK.finditer(prose):
        try:
            value = evaluate(found["expression"])
        except ValueError as error:
            yield found.start(), str(error)
            continue
        if value != found["value"]:
            fault = f"{found['value']} should be {value} ({found['expression']})"
            yield found.start(), fault
    for found in STARTS_LINE.finditer(prose):  # Markdown would take the whole line as HTML
        yield found.start(), "a marked number must not begin a line"
    for offset, number in find_unmarked(prose):
        if checked[0] <= offset < checked[1]:
            yield offset, f"{number} is not marked with where it comes from"


def checked_part(path: Path, page: str) -> tuple[int, int]:
    """Return in which part of a page every number must be marked."""
    if path.name != "README.md":
        return 0, len(page)
    section = SECTION.search(page)
    if section is None:
        raise SystemExit(f"{path}: there is no section 'What it found'")
    return section.span()


def check(path: Path) -> bool:
    """Print what is wrong with a page; return whether nothing is."""
    page = path.read_text("utf-8")
    found = sorted(faults(page, checked_part(path, page)))
    for offset, fault in found:
        print(f"{path}:{page.count(chr(10), 0, offset) + 1}: {fault}")
    return not found


def main() -> None:
    """Write the pages, or check them."""
    pages = [Path(word) for word in sys.argv[1:] if word != "--check"] or [*PAGES]
    if "--check" in sys.argv[1:]:
        clean = [check(path) for path in pages]  # all of them, not just up to the first fault
        sys.exit(not all(clean))
    for path in pages:
        page = TABLE.sub(make_table, path.read_text("utf-8"))
        path.write_text(MARK.sub(make_number, page), "utf-8")


if __name__ == "__main__":
    main()
