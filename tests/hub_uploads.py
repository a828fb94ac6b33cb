"""What the stand-in for the Hub does with uploads; see ``hub``.

A token is one of ``TOKENS``. As on the Hub, large files come first and in a store of their own
(Git LFS), then one commit names them and holds the small ones. On disk there are also

    root/models/<owner>/<name>/private    present if only its owner may see it
    root/lfs/<sha256>                     large files, whether a commit names them or not
    root/lfs.log                          the SHA-256 of each large file that was sent, a line each
    root/fail                             the operation, "lfs" or "commit", that fails next
"""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import uuid
from pathlib import Path
from typing import Any

import yaml

WRITE_TOKEN, READ_TOKEN = "hf_stand_in_write", "hf_stand_in_read"
OWNERS = {"tests", "your-name"}
# token -> whether it may write to the repositories of OWNERS
TOKENS = {WRITE_TOKEN: True, READ_TOKEN: False}

_LARGE = (".onnx", ".safetensors", ".bin")


class HubError(Exception):
    """An answer of the Hub that is an error: its status, code, message and what else it says."""

    def __init__(self, status: int, code: str = "", message: str = "", **more: str) -> None:
        super().__init__(code or message)
        self.status = status
        self.body = json.dumps({"error": message, **more}).encode()
        self.headers = {"X-Error-Code": code} if code else {"X-Error-Message": message}


def check_token(authorization: str | None) -> str | None:
    """Return the token of a request, None if it has none; refuse an unknown one."""
    if authorization is None:
        return None
    token = authorization.removeprefix("Bearer ")
    if token not in TOKENS:
        raise HubError(401, message="Invalid credentials in Authorization header")
    return token


def check_write(token: str | None, owner: str) -> None:
    if token is None:
        raise HubError(401, message="Invalid username or password.")
    if not TOKENS[token] or owner not in OWNERS:
        raise HubError(403, message="You don't have the rights to write to this namespace")


def create_repo(root: Path, endpoint: str, token: str | None, body: bytes) -> dict[str, Any]:
    asked = json.loads(body)
    repo_id = f"{asked['organization']}/{asked['name']}"
    check_write(token, asked["organization"])
    repo = root / f"{asked.get('type', 'model')}s" / repo_id
    if repo.exists():
        raise HubError(409, message="You already created it", url=f"{endpoint}/{repo_id}")
    (repo / "refs").mkdir(parents=True)
    if asked.get("visibility") == "private":
        (repo / "private").touch()
    first = repo / _new_sha()
    first.mkdir()
    (first / ".gitattributes").write_text("*.onnx filter=lfs diff=lfs merge=lfs -text\n")
    (repo / "refs" / "main").write_text(first.name)
    return {"url": f"{endpoint}/{repo_id}", "name": repo_id}


def create_branch(repo: Path, branch: str) -> None:
    reference = repo / "refs" / branch
    if reference.exists():
        raise HubError(409, message="Reference already exists")
    shutil.copy(repo / "refs" / "main", reference)


def validate_card(body: bytes) -> dict[str, Any]:
    """Say what is wrong with the metadata of a card, as far as YAML goes."""
    yaml.safe_load(json.loads(body)["content"].split("---")[1])
    return {"errors": [], "warnings": []}


def preupload(commit: Path, body: bytes) -> dict[str, Any]:
    """Say of each file how it is to be sent, and what the repository holds under its name."""
    answers = []
    for file in json.loads(body)["files"]:
        path, large = commit / file["path"], file["path"].endswith(_LARGE)
        held = (_sha256(path) if large else _git_sha(path)) if path.is_file() else None
        mode = "lfs" if large else "regular"
        answers.append({"path": file["path"], "uploadMode": mode, "shouldIgnore": False})
        answers[-1] |= {"oid": held} if held else {}
    return {"files": answers}


def offer_large(root: Path, endpoint: str, body: bytes) -> dict[str, Any]:
    """Say where to send each large file; nowhere if the store has it."""
    objects = []
    for one in json.loads(body)["objects"]:
        place = {"upload": {"href": f"{endpoint}/lfs/{one['oid']}"}}
        held = (root / "lfs" / one["oid"]).exists()
        objects.append(one if held else {**one, "actions": place})
    return {"transfer": "basic", "objects": objects}


def store_large(root: Path, oid: str, body: bytes) -> None:
    # a store that is not the Hub's own: links to it expire, which the client does not try again
    _fail_if_told(root, "lfs", 403)
    if hashlib.sha256(body).hexdigest() != oid:
        raise HubError(400, message="the content is not that of the hash")
    (root / "lfs").mkdir(exist_ok=True)
    (root / "lfs" / oid).write_bytes(body)
    with (root / "lfs.log").open("a") as log:
        log.write(f"{oid}\n")


def commit_files(root: Path, repo: Path, branch: str, endpoint: str, body: bytes) -> dict[str, Any]:
    """Make a commit of the last one and the operations in ``body``, one JSON object a line."""
    _fail_if_told(root, "commit", 500)
    reference = repo / "refs" / branch
    made = repo / _new_sha()
    shutil.copytree(repo / reference.read_text(), made)
    for line in body.splitlines():
        operation = json.loads(line)
        value = operation["value"]
        if operation["key"] == "file":
            (made / value["path"]).write_bytes(base64.b64decode(value["content"]))
        elif operation["key"] == "lfsFile":
            shutil.copy(root / "lfs" / value["oid"], made / value["path"])
        elif operation["key"] == "deletedFile":
            (made / value["path"]).unlink()
    reference.write_text(made.name)
    url = f"{endpoint}/{repo.parent.name}/{repo.name}/commit/{made.name}"
    return {"success": True, "commitOid": made.name, "commitUrl": url}


def _fail_if_told(root: Path, operation: str, status: int) -> None:
    told = root / "fail"
    if told.exists() and told.read_text() == operation:
        told.unlink()
        raise HubError(status, message=f"the stand-in was told to fail: {operation}")


def _new_sha() -> str:
    return hashlib.sha1(uuid.uuid4().bytes).hexdigest()


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _git_sha(path: Path) -> str:
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
