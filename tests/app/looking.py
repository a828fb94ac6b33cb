"""What a page of Streamlit's test runner shows, as text."""

from __future__ import annotations

import html
import re
from typing import Any

from streamlit.testing.v1 import AppTest


def html_of(page: AppTest) -> str:
    """Return all HTML that the app wrote itself, without its style sheets."""
    bodies = [element.proto.body for element in page.html]
    return html.unescape(" ".join(body for body in bodies if "<style>" not in body))


def bars_of(page: AppTest) -> list[str]:
    """Return what each bar says, in the order of the page."""
    return re.findall(r'<span class="dl-said">(.*?)</span>', html_of(page))


def button(page: AppTest, label: str) -> Any:
    """Return the button with this label."""
    return next(b for b in page.button if b.label == label)


def by_label(widgets: Any, label: str) -> Any:
    """Return the widget with this label."""
    return next(w for w in widgets if w.label == label)


def words_of(page: AppTest) -> str:
    """Return everything that is said in words: Markdown, captions, messages, HTML."""
    kinds = (page.markdown, page.caption, page.info, page.warning, page.error, page.success)
    said = [element.value for kind in kinds for element in kind]
    return " ".join([*said, html_of(page)])
