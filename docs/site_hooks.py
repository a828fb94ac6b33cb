"""MkDocs hooks: the site also has the recorded runs and other files outside ``docs/``.

Pages link to them by their place in the repository, so that the links work on a code host too. In
the site, ``docs/`` is the root and the other files keep their path below it.
"""

from __future__ import annotations

import ast
import posixpath
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
OUTSIDE = (
    "CHANGELOG.md",
    "CITATION.cff",
    "CONTRIBUTING.md",
    "LICENSE",
    "benchmarks/*.py",
    "benchmarks/results/*.json",
    "experiments/README.md",
    "experiments/*.yaml",
    "results/README.md",
    "results/*.py",
    "results/*/*.md",
    "results/*/recipe.yaml",
    "results/*/results.json",
    "results/*/charts/*.svg",
)
LINK = re.compile(r"(?<=\]\()(?!https?:|#|mailto:)(?P<path>[^)#\s]+)(?P<anchor>#[^)\s]*)?(?=\))")
PUBLIC_NAMES = "<!-- public names -->"


def outside_files() -> list[Path]:
    """Return the files outside ``docs/`` that the site has."""
    return sorted(path for pattern in OUTSIDE for path in ROOT.glob(pattern))


def relocate(target: str, page: str) -> str:
    """Return a link's target in the site.

    Args:
        target: as the page has it, relative to the page's place in the repository.
        page: the page's path in the site, with slashes.
    """
    there = posixpath.dirname(page if is_outside(page) else f"docs/{page}")
    found = posixpath.normpath(posixpath.join(there, target))
    inside = found.removeprefix("docs/")
    return posixpath.relpath(inside, posixpath.dirname(page) or ".")


def is_outside(page: str) -> bool:
    """Return whether a page of the site comes from outside ``docs/``."""
    return not (ROOT / "docs" / page).is_file()


def public_names() -> list[str]:
    """Return ``distillora.__all__``, read from the source without importing it."""
    module = ast.parse((ROOT / "src" / "distillora" / "__init__.py").read_text("utf-8"))
    for statement in module.body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "__all__":
            return list(ast.literal_eval(statement.value))
    raise ValueError("distillora has no __all__")


def on_files(files: Any, config: Any) -> Any:
    """Add the files outside ``docs/`` to the site."""
    from mkdocs.structure.files import File

    for path in outside_files():
        place = path.relative_to(ROOT).as_posix()
        files.append(File.generated(config, place, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Mend the links of a page, and fill in the public names of the API."""
    place = page.file.src_uri
    if is_outside(place):
        page.meta["search"] = {"exclude": True}  # thousands of figures would bury the pages
    markdown = markdown.replace("<details>", '<details markdown="1">')  # reports fold tables away
    names = "\n\n".join(f"::: distillora.{name}" for name in public_names())
    markdown = markdown.replace(PUBLIC_NAMES, names)
    return LINK.sub(lambda link: relocate(link["path"], place) + (link["anchor"] or ""), markdown)
