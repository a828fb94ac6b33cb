"""A small stand-in for the Hugging Face Hub, which the true client libraries can talk to.

    add_repo(root, "models", "tests/tiny-bert", folder)
    with serve_hub(root) as url:
        subprocess.run([...], env=hub_environment(url, tmp_path / "hf"))

The client reads its environment when it is imported, hence the subprocess. On disk a repository is

    root/<models|datasets>/<owner>/<name>/<commit>/...    the files of a commit
    root/<models|datasets>/<owner>/<name>/refs/main       the commit that "main" is
    root/<models|datasets>/<owner>/<name>/gated           present if it needs permission

Uploads, tokens and private repositories are in ``hub_uploads``.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qs, unquote, urlsplit

import hub_uploads
from hub_uploads import HubError

Kind = Literal["models", "datasets"]

_ID = r"(?P<id>[^/]+(?:/[^/]+)?)"
_ROUTES = [
    re.compile(
        rf"/api/(?P<kind>models|datasets)/{_ID}/(?P<op>tree|revision|paths-info)/(?P<rest>.+)"
    ),
    re.compile(rf"/api/(?P<kind>models)/{_ID}/(?P<op>branch|commit|preupload)/(?P<rest>[^/]+)"),
    re.compile(rf"/api/(?P<kind>models|datasets)/{_ID}"),
    re.compile(r"/api/(?P<op>repos/create|validate-yaml)"),
    re.compile(rf"/{_ID}\.git/info/(?P<op>lfs)/objects/batch"),
    re.compile(r"/(?P<op>lfs)/(?P<rest>[0-9a-f]{64})"),
    re.compile(rf"/(?P<kind>datasets)/{_ID}/(?P<op>resolve)/(?P<rest>.+)"),
    re.compile(rf"/{_ID}/(?P<op>resolve)/(?P<rest>.+)"),
]
_UPLOADS = {"branch", "commit", "lfs", "preupload", "repos/create", "validate-yaml"}


def add_repo(
    root: Path,
    kind: Kind,
    repo_id: str,
    folder: Path,
    revision: str | None = None,
    gated: bool = False,
) -> str:
    """Publish a copy of ``folder`` as the newest commit of a repository; return the commit.

    ``folder`` is e.g. what ``save_pretrained`` wrote, or a data set with its ``README.md``.
    ``revision`` is the commit's 40 hex digits; by default they are made from the content.
    """
    commit = revision or _tree_hash(folder)
    repo = root / kind / repo_id
    shutil.copytree(folder, repo / commit)
    (repo / "refs").mkdir(exist_ok=True)
    (repo / "refs" / "main").write_text(commit)
    if gated:
        (repo / "gated").touch()
    return commit


def write_hub_dataset(
    folder: Path, splits: Mapping[str, Mapping[str, list[Any]]], names: list[str]
) -> Path:
    """Write a data set as the Hub holds it: Parquet with named labels, and a card.

    ``splits`` maps a split to its columns ``text``, ``labels`` and ``id``.
    """
    from datasets import ClassLabel, Dataset, Features, List, Value

    labels = List(ClassLabel(names=names))
    features = Features({"text": Value("string"), "labels": labels, "id": Value("string")})
    place = folder / "simplified"
    place.mkdir(parents=True)
    lines = ["---", "configs:", "- config_name: simplified", "  data_files:"]
    for split, columns in splits.items():
        file = place / f"{split}-00000-of-00001.parquet"
        Dataset.from_dict(columns, features=features).to_parquet(file)
        lines += [f"  - split: {split}", f"    path: simplified/{split}-*"]
    (folder / "README.md").write_text("\n".join([*lines, "---", "A tiny data set.", ""]))
    return folder


def write_hub_table(
    folder: Path,
    splits: Mapping[str, Mapping[str, list[Any]]],
    classes: Mapping[str, list[str]] | None = None,
) -> Path:
    """Write a data set as most are on the Hub: a table for each split, no card, no configuration.

    Args:
        folder: is made.
        splits: split -> column -> values.
        classes: column -> the names that its numbers stand for. With any, the tables are Parquet,
            which can say so; else CSV.
    """
    from datasets import ClassLabel, Dataset

    folder.mkdir(parents=True)
    for split, columns in splits.items():
        table = Dataset.from_dict(dict(columns))
        for column, names in (classes or {}).items():
            table = table.cast_column(column, ClassLabel(names=names))
        if classes:
            table.to_parquet(folder / f"{split}.parquet")
        else:
            table.to_csv(folder / f"{split}.csv")
    return folder


@contextmanager
def serve_hub(root: Path) -> Iterator[str]:
    """Serve the repositories under ``root`` on a free local port; yield the URL."""

    class Handler(_Handler):
        repositories = root

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def hub_environment(url: str, home: Path, **extra: str) -> dict[str, str]:
    """Return the environment of a process whose Hub is ``url`` and whose cache is ``home``."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "TRANSFORMERS_"))}
    own = {"HF_ENDPOINT": url, "HF_HOME": str(home), "HF_HUB_DISABLE_TELEMETRY": "1"}
    return {**kept, **own, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1", **extra}


@dataclass(frozen=True)
class _Commit:
    """The files of one commit of one repository."""

    kind: str
    repo_id: str
    sha: str
    folder: Path

    def file(self, name: str) -> Path:
        path = (self.folder / name).resolve()
        if not path.is_relative_to(self.folder.resolve()) or not path.exists():
            raise HubError(404, "EntryNotFound")
        return path

    def info(self) -> dict[str, Any]:
        files = sorted(p for p in self.folder.rglob("*") if p.is_file())
        siblings = [{"rfilename": self._name(path)} for path in files]
        return {
            **{"id": self.repo_id, "modelId": self.repo_id, "sha": self.sha, "siblings": siblings},
            **{
                "private": (self.folder.parent / "private").exists(),
                "gated": False,
                "disabled": False,
                "tags": [],
                "downloads": 0,
            },
        }

    def tree(self, under: str, recursive: bool) -> list[dict[str, Any]]:
        start = self.file(under)
        paths = start.rglob("*") if recursive else start.iterdir()
        return [self.entry(path) for path in sorted(paths)]

    def entry(self, path: Path) -> dict[str, Any]:
        date = "2024-01-01T00:00:00.000Z"
        shared = {
            "path": self._name(path),
            "lastCommit": {"id": self.sha, "title": "add files", "date": date},
        }
        if path.is_dir():
            return {"type": "directory", "oid": _tree_hash(path), "size": 0, **shared}
        return {"type": "file", "oid": _blob_hash(path), "size": path.stat().st_size, **shared}

    def _name(self, path: Path) -> str:
        return path.relative_to(self.folder.resolve()).as_posix()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    repositories: Path
    _token: str | None

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_PUT(self) -> None:
        self._answer()

    def log_message(self, *args: object) -> None:
        pass

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            self._token = hub_uploads.check_token(self.headers.get("Authorization"))
            self._route(body)
        except HubError as error:
            self._send(error.status, error.body, error.headers)

    def _route(self, body: bytes) -> None:
        url = urlsplit(self.path)
        match = next((m for route in _ROUTES if (m := route.fullmatch(url.path))), None)
        if match is None:
            raise HubError(404, "NotFound")
        parts = match.groupdict()
        operation = parts.get("op") or "revision"
        if operation in _UPLOADS:
            self._upload(operation, parts, body)
            return
        revision, _, name = (parts.get("rest") or "main").partition("/")
        commit = self._commit(parts.get("kind") or "models", parts["id"], unquote(revision))
        if operation == "resolve":
            self._send_file(commit, unquote(name))
        elif operation == "tree":
            recursive = parse_qs(url.query).get("recursive", ["False"])[0].lower() == "true"
            self._send_json(commit.tree(unquote(name), recursive))
        elif operation == "paths-info":
            wanted = [commit.folder.resolve() / p for p in parse_qs(body.decode()).get("paths", [])]
            self._send_json([commit.entry(path) for path in wanted if path.exists()])
        else:
            self._send_json(commit.info())

    def _upload(self, operation: str, parts: dict[str, Any], body: bytes) -> None:
        """Answer a request that writes, or prepares to."""
        root, endpoint = self.repositories, f"http://{self.headers['Host']}"
        if operation == "validate-yaml":
            self._send_json(hub_uploads.validate_card(body))
            return
        if operation == "repos/create":
            self._send_json(hub_uploads.create_repo(root, endpoint, self._token, body))
            return
        if operation == "lfs" and self.command == "PUT":  # signed links, without a token
            hub_uploads.store_large(root, parts["rest"], body)
            self._send_json({})
            return
        hub_uploads.check_write(self._token, parts["id"].split("/")[0])
        branch = unquote(parts.get("rest") or "main")
        commit = self._commit("models", parts["id"], "main" if operation == "branch" else branch)
        repo = commit.folder.parent
        if operation == "lfs":
            self._send_json(hub_uploads.offer_large(root, endpoint, body))
        elif operation == "branch":
            hub_uploads.create_branch(repo, branch)
            self._send_json({})
        elif operation == "preupload":
            self._send_json(hub_uploads.preupload(commit.folder, body))
        else:
            self._send_json(hub_uploads.commit_files(root, repo, branch, endpoint, body))

    def _commit(self, kind: str, repo_id: str, revision: str) -> _Commit:
        repo = self.repositories / kind / repo_id
        hidden = (repo / "private").exists() and self._token is None
        if hidden or not (repo / "refs").is_dir():
            raise HubError(401, "RepoNotFound")  # as the Hub does, not to tell what is private
        reference = repo / "refs" / revision
        sha = reference.read_text() if reference.is_file() else revision
        if not re.fullmatch("[0-9a-f]{40}", sha) or not (repo / sha).is_dir():
            raise HubError(404, "RevisionNotFound")
        return _Commit(kind, repo_id, sha, repo / sha)

    def _send_file(self, commit: _Commit, name: str) -> None:
        if (commit.folder.parent / "gated").exists():
            raise HubError(401, "GatedRepo")
        path = commit.file(name)
        if path.is_dir():
            raise HubError(404, "EntryNotFound")
        content = path.read_bytes()
        headers = {
            "ETag": f'"{_blob_hash(path)}"',
            "X-Repo-Commit": commit.sha,
            "Accept-Ranges": "bytes",
            "Content-Type": "application/octet-stream",
        }
        part = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if part is None:
            self._send(200, content, headers)
            return
        start = int(part[1])
        end = min(int(part[2] or len(content) - 1), len(content) - 1)
        headers["Content-Range"] = f"bytes {start}-{end}/{len(content)}"
        self._send(206, content[start : end + 1], headers)

    def _send_json(self, value: object) -> None:
        self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _send(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


def _blob_hash(path: Path) -> str:
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def _tree_hash(folder: Path) -> str:
    digest = hashlib.sha1()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        digest.update(f"{path.relative_to(folder).as_posix()} {_blob_hash(path)}\n".encode())
    return digest.hexdigest()
