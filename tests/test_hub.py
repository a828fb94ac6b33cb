"""Bundles travel to a stand-in for the Hub and back, through the true client."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import distillora
from distillora.errors import BundleError, IntegrityError
from distillora.hub import ModelId, parse_model_id
from distillora.inference.bundle import Bundle
from hub import add_repo, hub_environment, serve_hub
from hub_uploads import READ_TOKEN, WRITE_TOKEN

MODEL = "tests/tickets"
TEXT = "w7 w9"


class User:
    """Someone at a command line, with a cache of their own and a Hub to talk to."""

    def __init__(self, root: Path, url: str, home: Path) -> None:
        self.root, self.url, self.home = root, url, home
        self.folder = home / "work"
        self.folder.mkdir(parents=True)

    def run(
        self, *words: str, token: str = WRITE_TOKEN, **extra: str
    ) -> subprocess.CompletedProcess[str]:
        # without xet: its protocol is spoken by a library of its own, to a server of its own
        environment = {"HF_TOKEN": token, "HF_HUB_DISABLE_XET": "1", **extra}
        return subprocess.run(
            [sys.executable, "-m", "distillora", *words],
            env=hub_environment(self.url, self.home / "hf", **environment),
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=120,
        )

    def push(self, bundle: Path, *words: str, **options: str) -> subprocess.CompletedProcess[str]:
        return self.run("push", str(bundle), MODEL, *words, **options)

    def predict(self, model: str, **options: str) -> subprocess.CompletedProcess[str]:
        return self.run("predict", "--json", "--model", model, TEXT, **options)

    def snapshot(self) -> Path:
        (found,) = self.home.glob("hf/hub/models--tests--tickets/snapshots/*")
        return found

    def published(self, branch: str = "main") -> Path:
        repo = self.root / "models" / MODEL
        return repo / (repo / "refs" / branch).read_text()


@pytest.fixture
def user(tmp_path: Path) -> Iterator[User]:
    (tmp_path / "hub").mkdir()
    with serve_hub(tmp_path / "hub") as url:
        yield User(tmp_path / "hub", url, tmp_path / "home")


@pytest.fixture
def bundle(tiny_bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_bundle, tmp_path / "bundle"))


def succeeded(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout


def refused(done: subprocess.CompletedProcess[str], status: int = 2) -> str:
    assert done.returncode == status, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def label_of(folder: Path) -> str:
    return distillora.load(folder).predict(TEXT)[0].label


def rename_labels(bundle: Path) -> None:
    """Make a second version of a bundle, whose predictions can be told from the first's."""
    path = bundle / "bundle.json"
    manifest = json.loads(path.read_text())
    manifest["labels"] = [f"new {label}" for label in manifest["labels"]]
    manifest["toxicity"] = None
    path.write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("acme/tickets", ("acme/tickets", None)),
        ("acme/tickets@v1.0", ("acme/tickets", "v1.0")),
        ("a-b/c_d.e@refs/pr/1", ("a-b/c_d.e", "refs/pr/1")),
    ],
)
def test_a_name_is_owner_name_and_perhaps_a_revision(
    name: str, expected: tuple[str, str | None]
) -> None:
    assert parse_model_id(name) == ModelId(*expected)


@pytest.mark.parametrize(
    "name",
    ["tickets", "a/b/c", "./a/b", "../a", "/a/b", "~/a", "a/b@", "a/b@c@d", "a/b--c", "a/..b", ""],
)
def test_what_no_repository_can_be_called_is_refused(name: str) -> None:
    with pytest.raises(BundleError, match="Write owner/name"):
        parse_model_id(name)


@pytest.mark.parametrize("name", ["tickets", "a/b/c", "a/b@"])
def test_what_is_neither_a_folder_nor_a_name_on_the_hub_is_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    expected = "the folder does not exist. For a model on the Hub, write owner/name or owner/name@"
    with pytest.raises(BundleError, match=expected):
        distillora.load(name)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("badname", "'badname' is not the name of a model on the Hub. Write owner/name; a branch"),
        ("a/b@c", "names a revision"),
    ],
)
def test_a_bundle_is_pushed_to_owner_name(
    name: str, words: str, tiny_bundle: Path, run_cli: Callable[..., Any]
) -> None:
    done = run_cli("push", tiny_bundle, name)
    assert done.code == 2 and words in done.err and "--revision" in done.err


@pytest.mark.slow
def test_a_bundle_that_was_pushed_loads_by_its_name_and_offline(user: User, bundle: Path) -> None:
    (bundle / "notes.txt").write_text("not for others")
    pushed = succeeded(user.push(bundle))
    assert pushed == f"Model: {user.url}/{MODEL}\n"
    names = {path.name for path in user.published().iterdir()}
    assert names == {*Bundle.open(bundle).manifest.files, "bundle.json", ".gitattributes"}
    online = succeeded(user.predict(MODEL))
    assert json.loads(online)["label"] == label_of(bundle)
    snapshot = user.snapshot()
    assert (snapshot / "model-int8.onnx").is_symlink()
    assert not (snapshot / "model.safetensors").exists()
    assert succeeded(user.predict(MODEL, HF_HUB_OFFLINE="1")) == online
    user.url = "http://127.0.0.1:9"
    assert succeeded(user.predict(MODEL)) == online


@pytest.mark.slow
def test_a_revision_stays_what_it_was(user: User, bundle: Path) -> None:
    succeeded(user.push(bundle))
    first, label = user.published().name, label_of(bundle)
    rename_labels(bundle)
    pushed = succeeded(user.push(bundle, "--revision", "v2"))
    assert pushed == f"Model: {user.url}/{MODEL}/tree/v2\n"
    shown = {
        name: json.loads(succeeded(user.predict(name)))["label"]
        for name in (MODEL, f"{MODEL}@main", f"{MODEL}@v2", f"{MODEL}@{first}")
    }
    assert [*shown.values()] == [label, label, f"new {label}", label]
    assert "not the revision in tests/tickets@v3" in refused(user.predict(f"{MODEL}@v3"))


@pytest.mark.slow
def test_weights_of_an_earlier_bundle_do_not_stay(user: User, bundle: Path) -> None:
    succeeded(user.push(bundle))
    manifest = json.loads((bundle / "bundle.json").read_text())
    for name in ("model.onnx", "model.safetensors"):
        (bundle / name).unlink()
        del manifest["files"][name]
    (bundle / "bundle.json").write_text(json.dumps(manifest))
    (user.published() / "LICENSE").write_text("the owner's own file")
    succeeded(user.push(bundle))
    names = {path.name for path in user.published().iterdir()}
    assert "model-int8.onnx" in names and "LICENSE" in names
    assert not {"model.onnx", "model.safetensors"} & names


@pytest.mark.slow
def test_a_private_model_needs_a_token(user: User, bundle: Path) -> None:
    succeeded(user.push(bundle, "--private"))
    assert "it is private" in refused(user.predict(MODEL, token=""))
    assert "hf auth login" in refused(user.predict(MODEL, token=""))
    assert "does not accept your token" in refused(user.predict(MODEL, token="hf_wrong"))
    assert json.loads(succeeded(user.predict(MODEL, token=READ_TOKEN)))["label"]


@pytest.mark.slow
def test_a_public_model_is_not_pushed_to_as_private(user: User, bundle: Path) -> None:
    succeeded(user.push(bundle))
    before = user.published()
    assert "exists and is public, so nothing was uploaded" in refused(
        user.push(bundle, "--private")
    )
    assert user.published() == before


@pytest.mark.slow
@pytest.mark.parametrize("broken", ["lfs", "commit"])
def test_an_upload_that_broke_goes_on(user: User, bundle: Path, broken: str) -> None:
    (user.root / "fail").write_text(broken)
    failed = user.push(bundle)
    assert failed.returncode in (1, 2) and "Traceback" not in failed.stderr
    assert {path.name for path in user.published().iterdir()} == {".gitattributes"}
    succeeded(user.push(bundle))
    sent = (user.root / "lfs.log").read_text().split()
    assert len(sent) == len({*sent}) == 3  # model.onnx, model-int8.onnx, model.safetensors
    assert json.loads(succeeded(user.predict(MODEL)))["label"] == label_of(bundle)


@pytest.mark.slow
def test_a_damaged_bundle_is_not_uploaded(user: User, bundle: Path) -> None:
    with (bundle / "tokenizer.json").open("a") as stream:
        stream.write(" ")
    assert r"tokenizer.json is damaged" in refused(user.push(bundle), status=1)
    assert not (user.root / "models").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("token", "words"),
    [
        ("", "needs a token with write access"),
        ("hf_wrong", "does not accept your token"),
        (READ_TOKEN, "may not write to"),
    ],
)
def test_who_may_not_push_is_told_why(user: User, bundle: Path, token: str, words: str) -> None:
    assert words in refused(user.push(bundle, token=token))
    assert not (user.root / "models").exists()


@pytest.mark.slow
def test_what_the_hub_does_not_have_is_named(user: User, bundle: Path, tmp_path: Path) -> None:
    message = refused(user.predict("tests/nothing"))
    assert "The folder tests/nothing does not exist. The Hub has no model tests/nothing" in message
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "config.json").write_text("{}")
    add_repo(user.root, "models", "tests/other", tmp_path / "other")
    assert "tests/other contains no bundle" in refused(user.predict("tests/other"))
    user.url = "http://127.0.0.1:9"
    assert "cannot be reached" in refused(user.predict(MODEL), status=1)
    assert "cannot be reached" in refused(user.push(bundle), status=1)
    assert "cannot be reached" in refused(user.push(bundle, HF_HUB_OFFLINE="1"), status=1)


@pytest.mark.slow
def test_a_folder_of_the_same_name_wins_and_it_is_said(user: User, bundle: Path) -> None:
    succeeded(user.push(bundle))
    label = label_of(bundle)
    from_hub = user.predict(MODEL)
    assert f"Using {MODEL} from the Hugging Face Hub" in from_hub.stderr
    (user.folder / MODEL).mkdir(parents=True)
    assert "is not a bundle" in refused(user.predict(MODEL))
    rename_labels(bundle)
    shutil.copytree(bundle, user.folder / MODEL, dirs_exist_ok=True)
    local = user.predict(MODEL)
    assert json.loads(succeeded(local))["label"] == f"new {label}"
    assert (
        f"Using the folder {MODEL}. For the model of that name on the Hub, write {MODEL}@main"
        in (local.stderr)
    )
    assert json.loads(succeeded(user.predict(f"{MODEL}@main")))["label"] == label


def cached(bundle: Path, cache: Path, shared: bool) -> Path:
    """Lay a bundle out as the Hub's cache does, perhaps with its store for all repositories."""
    repo = cache / "models--tests--tickets"
    snapshot = repo / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (repo / "blobs").mkdir()
    for number, path in enumerate(sorted(bundle.iterdir())):
        blob = repo / "blobs" / f"{number:040x}"
        if shared:
            store = cache / "blobs" / "ab" / f"ab{number:062x}"
            store.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, store)
            blob.symlink_to(os.path.relpath(store, blob.parent))
        else:
            shutil.copy(path, blob)
        (snapshot / path.name).symlink_to(os.path.relpath(blob, snapshot))
    return snapshot


@pytest.mark.parametrize("shared", [False, True], ids=["own blobs", "shared blobs"])
def test_links_of_the_cache_are_followed_and_checked(
    bundle: Path, tmp_path: Path, shared: bool
) -> None:
    snapshot = cached(bundle, tmp_path / "cache", shared)
    assert label_of(snapshot) == label_of(bundle)
    with (snapshot / "model-int8.onnx").resolve().open("ab") as stream:
        stream.write(b" ")
    with pytest.raises(IntegrityError, match=r"model-int8\.onnx is damaged"):
        distillora.load(snapshot)


@pytest.mark.parametrize("file", ["bundle.json", "tokenizer.json", "model-int8.onnx"])
@pytest.mark.parametrize("hop", [False, True], ids=["at once", "by a blob"])
def test_links_that_leave_the_cache_are_refused(
    bundle: Path, tmp_path: Path, file: str, hop: bool
) -> None:
    snapshot = cached(bundle, tmp_path / "cache", shared=False)
    link = snapshot / file
    if hop:
        link = snapshot.parents[1] / "blobs" / link.readlink().name
    link.unlink()
    link.symlink_to(bundle / file)
    with pytest.raises(IntegrityError, match=f"{file} is a link to "):
        distillora.load(snapshot)


def test_a_link_to_the_blobs_of_another_repository_is_refused(bundle: Path, tmp_path: Path) -> None:
    snapshot = cached(bundle, tmp_path / "cache", shared=False)
    other = tmp_path / "cache" / "models--tests--other" / "blobs" / ("f" * 40)
    other.parent.mkdir(parents=True)
    shutil.copy(bundle / "tokenizer.json", other)
    (snapshot / "tokenizer.json").unlink()
    (snapshot / "tokenizer.json").symlink_to(other)
    with pytest.raises(IntegrityError, match=r"tokenizer\.json is a link to "):
        distillora.load(snapshot)
