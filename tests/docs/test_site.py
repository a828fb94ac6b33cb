"""The documentation site builds strictly, has every page, and asks nothing of other machines."""

from __future__ import annotations

import html
import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from urllib.parse import unquote, urlsplit

import pytest
import yaml

import distillora

ROOT = Path(__file__).parents[2]


def load_hooks() -> ModuleType:
    spec = importlib.util.spec_from_file_location("site_hooks", ROOT / "docs" / "site_hooks.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


hooks = load_hooks()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make docs` does."""
    for package in ("mkdocs", "material", "mkdocstrings"):
        pytest.importorskip(package, reason="the extra `docs` is not installed")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    return folder


@pytest.mark.slow
def test_the_site_builds_strictly_with_every_page_and_every_public_name(site: Path) -> None:
    for page in (ROOT / "docs").glob("*.md"):
        assert (site / f"{page.stem}.html").is_file(), page.name
    assert (site / "results" / "evidence" / "report.html").is_file()
    api = (site / "api.html").read_text("utf-8")
    for name in distillora.__all__:
        assert f'id="distillora.{name}"' in api, f"the API page lacks {name}"


@pytest.mark.slow
def test_the_site_loads_nothing_from_other_machines(site: Path) -> None:
    loads = re.compile(r"""<(?:script|img|link|iframe)\b[^>]*\b(?:src|href)=["']?(?:https?:)?//""")
    for page in site.rglob("*.html"):
        assert not loads.search(page.read_text("utf-8")), page


@pytest.mark.slow
def test_every_internal_link_of_the_site_leads_to_a_file(site: Path) -> None:
    attribute = re.compile(r"""<[a-z][^>]*?\s(?:href|src)=["']?([^"'\s>]+)""")
    broken = set()
    for page in site.rglob("*.html"):
        for found in attribute.findall(page.read_text("utf-8")):
            target = urlsplit(html.unescape(found))
            if target.scheme or target.netloc or not target.path:
                continue
            base = site if target.path.startswith("/") else page.parent
            file = base / unquote(target.path).lstrip("/")
            if not (file / "index.html" if file.is_dir() else file).is_file():
                broken.add(f"{page.relative_to(site)}: {found}")
    assert not broken


def test_every_page_is_in_the_navigation() -> None:
    text = (ROOT / "mkdocs.yml").read_text("utf-8")
    listed = [page for _, page in re.findall(r"- ([\w' -]+): (\S+\.md)", text)]
    shown = set(listed)
    assert len(listed) == len(shown), "a page is listed twice"
    assert yaml.safe_load(text)["theme"]["font"] is False
    assert {page.name for page in (ROOT / "docs").glob("*.md")} <= shown


def test_the_public_names_are_read_from_the_source() -> None:
    assert hooks.public_names() == distillora.__all__


def test_the_api_page_lists_the_public_names() -> None:
    page = (ROOT / "docs" / "api.md").read_text("utf-8")
    listed = re.findall(r"^\| `(?:distillora\.)?(\w+)", page, re.MULTILINE)
    assert sorted(listed) == sorted(distillora.__all__)


@pytest.mark.parametrize(
    ("target", "page", "found"),
    [
        ("recipes.md", "results.md", "recipes.md"),
        ("../results/evidence/report.md", "findings.md", "results/evidence/report.md"),
        ("../../docs/findings.md", "results/evidence/README.md", "../../findings.md"),
        ("charts/loss.svg", "results/evidence/report.md", "charts/loss.svg"),
        ("docs/architecture.md", "CONTRIBUTING.md", "architecture.md"),
        ("CHANGELOG.md", "CONTRIBUTING.md", "CHANGELOG.md"),
    ],
)
def test_links_lead_to_the_same_file_in_the_site(target: str, page: str, found: str) -> None:
    assert hooks.relocate(target, page) == found


def test_links_to_files_outside_docs_lead_to_files_that_the_site_has() -> None:
    outside = {path.relative_to(ROOT).as_posix() for path in hooks.outside_files()}
    inside = {path.name for path in (ROOT / "docs").glob("*.md")}
    pages = [
        *(ROOT / "docs").glob("*.md"),
        *(p for p in hooks.outside_files() if p.suffix == ".md"),
    ]
    for page in pages:
        place = page.relative_to(ROOT).as_posix().removeprefix("docs/")
        for link in hooks.LINK.finditer(page.read_text("utf-8")):
            target = (page.parent / link["path"]).resolve().relative_to(ROOT).as_posix()
            there = target.removeprefix("docs/")
            known = there in outside | inside or there.startswith("images/")
            assert known, f"{place} links to {target}, which the site does not have"
