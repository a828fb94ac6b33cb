"""Every command that README and docs show is run, as a reader would run it.

The Hub is a local stand-in that serves a handful of texts under GoEmotions' own name and revision,
and tiny models under those of BERT and DistilBERT; so the commands run as they are printed.
"""

from __future__ import annotations

import csv
import os
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import yaml

from app.browsing import serve
from distillora.data.dataset import Dataset
from distillora.data.sources import read_dataset
from distillora.recipe import (
    Contrast,
    Data,
    Init,
    LoraTuning,
    Objective,
    Published,
    PublishedArm,
    Recipe,
    Training,
    bundled_recipes,
    load_recipe,
    parse_recipe,
)
from hub import add_repo, hub_environment, serve_hub, write_hub_dataset
from hub_uploads import WRITE_TOKEN
from service.conftest import running
from tiny import save_tiny_backbone, tiny_model, tiny_tokenizer

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])

# these go on with the run and the bundle that the README makes, in whichever order tests come
AFTER_README = {"app.md", "first-run.md", "python.md", "results.md"}

FENCE = re.compile(r"^( *)```(\w+)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
NAMED = re.compile(r"# (\S+\.yaml)\n")  # the first line of a block that commands refer to


def blocks(page: Path, language: str) -> list[str]:
    found = FENCE.findall(page.read_text("utf-8"))
    return [textwrap.dedent(body) for _, kind, body in found if kind == language]


def commands(page: Path) -> list[str]:
    return [line for block in blocks(page, "console") for line in block.splitlines() if line]


def a_few_rows() -> Dataset:
    """Return a text of each label from the bundled sample, and three for training.

    Those make more than one batch of 64, so that the first epoch ends after the warm-up.
    """
    dataset = read_dataset(Data(source="sample"))
    splits = {}
    for name, split in dataset.splits.items():
        classes, each = split.classes(), 3 if name == "train" else 1
        rows = [row for label in range(28) for row in (classes == label).nonzero()[0][:each]]
        splits[name] = split.take([int(row) for row in rows])
    return dataset.with_splits(splits)


def write_folder(folder: Path, dataset: Dataset) -> None:
    folder.mkdir(parents=True)
    (folder / "labels.txt").write_text("".join(f"{name}\n" for name in dataset.label_names))
    for name, split in dataset.splits.items():
        file = folder / f"{'dev' if name == 'validation' else name}.tsv"
        rows = zip(split.texts, split.labels, split.ids, strict=True)
        file.write_text("".join(f"{t}\t{','.join(map(str, k))}\t{i}\n" for t, k, i in rows))


def write_comments(file: Path, dataset: Dataset) -> None:
    with file.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["id", "body"])
        writer.writerows(enumerate(dataset.splits["test"].texts))


def write_recipes(folder: Path) -> None:
    """Write each recipe of a page that begins with the name of its file."""
    for page in PAGES:
        for block in blocks(page, "yaml"):
            if named := NAMED.match(block):
                (folder / named[1]).write_text(block)


def publish_classifier(root: Path, folder: Path, labels: Sequence[str]) -> None:
    """Publish a tiny classifier of these labels, such as a reader might have on the Hub."""
    names = {"id2label": dict(enumerate(labels)), "label2id": {n: i for i, n in enumerate(labels)}}
    tiny_model(**names).save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    add_repo(root, "models", "owner/emotion-classifier", folder)


def publish_models(root: Path, work: Path) -> None:
    """Publish a tiny model for each pretrained model that a bundled recipe asks the Hub for."""
    for name in bundled_recipes():
        for arm in load_recipe(name).arms.values():
            repo, revision = arm.init.backbone, arm.init.revision
            if repo in (None, "bundled") or (root / "models" / str(repo)).exists():
                continue
            kind = "distilbert" if "distilbert" in str(repo) else "bert"
            layers = 6 if kind == "distilbert" else 12
            folder = save_tiny_backbone(work / kind, kind, num_hidden_layers=layers)
            add_repo(root, "models", str(repo), folder, revision)


class Reader:
    """Someone who types the commands of the pages, each page once, in one folder."""

    def __init__(self, work: Path, environment: dict[str, str], finished: Path) -> None:
        self.work = work
        self.environment = environment
        self._finished = finished
        self._followed: set[Path] = set()

    def follow(self, page: Path) -> None:
        """Run the commands of a page one after the other, after those it goes on from."""
        if page in self._followed:
            return
        if page.name in AFTER_README:
            self.follow(ROOT / "README.md")
        for command in commands(page):
            self._type(command)
        self._followed.add(page)

    def run(self, words: list[str], folder: Path) -> None:
        done = subprocess.run(
            words, cwd=folder, env=self.environment, capture_output=True, text=True, timeout=600
        )
        assert done.returncode == 0, f"{words}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"

    def _type(self, command: str) -> None:
        words = shlex.split(command)
        if words[0] == "make":  # the target exists; what it runs is what these tests run
            self.run(["make", "--dry-run", *words[1:]], ROOT)
        elif words[0] == "pip":  # see test_packaging
            pass
        elif words[:2] == ["distillora", "app"]:  # it would run for ever
            with serve(self.work, *words[2:]):
                pass
        elif words[:2] == ["distillora", "serve"]:
            with running(*words[2:]):
                pass
        elif words[:2] == ["distillora", "compare"] and "--out" in words:
            self._compare(words)
        elif words[:2] == ["python", "docs/make_tickets.py"]:  # it writes where the reader is
            self.run(["python", str(ROOT / words[1]), *words[2:]], self.work)
        else:
            self.run(words, ROOT if words[0] == "python" else self.work)

    def _compare(self, words: list[str]) -> None:
        """Make a run; where another page made the same in another folder, go on from a copy."""
        at = words.index("--out") + 1
        out = self.work / words[at]
        if out.exists():
            self.run(words, self.work)
            return
        kept = self._finished / "_".join(words[2 : at - 1] + words[at + 1 :]).replace("/", "-")
        if kept.exists():
            shutil.copytree(kept, out)
        self.run(words, self.work)
        if not kept.exists():
            shutil.copytree(out, kept)


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """A reader with data in path/to/goemotions, and an environment with a Hub."""
    work, root = tmp_path_factory.mktemp("work"), tmp_path_factory.mktemp("hub")
    dataset, data = a_few_rows(), load_recipe("goemotions-minilm").data
    write_folder(work / "path" / "to" / "goemotions", dataset)
    write_comments(work / "comments.csv", dataset)
    write_recipes(work)
    tickets = [sys.executable, ROOT / "docs" / "make_tickets.py", "tickets.csv"]
    subprocess.run(tickets, cwd=work, check=True)
    columns = {
        name: {"text": [*s.texts], "labels": [list(row) for row in s.labels], "id": [*s.ids]}
        for name, s in dataset.splits.items()
    }
    published = write_hub_dataset(root / "published", columns, [*dataset.label_names])
    add_repo(root, "datasets", data.hub_id, published, data.hub_revision)
    publish_models(root, tmp_path_factory.mktemp("models"))
    publish_classifier(root, tmp_path_factory.mktemp("classifier"), dataset.label_names)
    with serve_hub(root) as url:
        scripts = Path(sys.executable).parent
        path = f"{scripts}{os.pathsep}{os.environ['PATH']}"
        # without xet, whose library talks to a server of its own
        hub = {"HF_TOKEN": WRITE_TOKEN, "HF_HUB_DISABLE_XET": "1"}
        environment = hub_environment(url, tmp_path_factory.mktemp("hf"), PATH=path, **hub)
        yield Reader(work, environment, tmp_path_factory.mktemp("finished"))


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_commands_of_a_page_run_one_after_the_other(page: Path, reader: Reader) -> None:
    reader.follow(page)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_recipes_of_a_page_are_usable(page: Path) -> None:
    for block in blocks(page, "yaml"):
        parse_recipe(yaml.safe_load(block), page.name)


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_python_of_a_page_runs(page: Path, reader: Reader) -> None:
    code = blocks(page, "python")
    if any("bundles/" in block or "runs/" in block for block in code):
        reader.follow(page)  # its commands make the bundle or the run
    for block in code:
        reader.run([sys.executable, "-c", block], reader.work)


def test_every_command_of_the_command_line_is_documented() -> None:
    from distillora.cli import app

    shown = "\n".join(line for page in PAGES for line in commands(page))
    for command in app.registered_commands:
        assert command.callback is not None
        name = command.name or command.callback.__name__
        assert f"distillora {name}" in shown, f"no page shows `distillora {name}`"


def test_every_key_of_a_recipe_is_documented() -> None:
    page = (ROOT / "docs" / "recipes.md").read_text("utf-8")
    sections = (Recipe, Contrast, Data, Init, LoraTuning, Objective, Training)
    sections += (Published, PublishedArm)
    for section in sections:
        for key in section.model_fields:
            assert f"`{key}`" in page, f"docs/recipes.md does not document {section.__name__}.{key}"


def test_every_bundled_recipe_is_documented_and_no_other() -> None:
    page = (ROOT / "docs" / "recipes.md").read_text("utf-8")
    table = page.partition("| recipe |")[2].partition("\n\n")[0]
    assert set(re.findall(r"^\| `([\w-]+)` \|", table, re.MULTILINE)) == set(bundled_recipes())


def test_links_between_pages_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
