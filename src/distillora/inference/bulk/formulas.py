"""Cells that a spreadsheet would run."""

from __future__ import annotations

import re

# what OWASP lists under "CSV Injection", also where white space comes first, since some programs
# strip it; the full-width forms count as well, as some locales treat them alike
_FORMULA = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n]")
_NUMBER = re.compile(r"[+-]?(\d+([.,]\d+)?|[.,]\d+)([eE][+-]?\d+)?\Z", re.ASCII)


def neutralise(cell: str) -> str:
    """Put an apostrophe before what a spreadsheet would take for a formula; leave numbers.

    >>> neutralise("=1+1"), neutralise("-1.5"), neutralise("fine")
    ("'=1+1", '-1.5', 'fine')
    """
    if _FORMULA.match(cell) and not _NUMBER.match(cell):
        return f"'{cell}"
    return cell
