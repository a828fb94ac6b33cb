"""Bundles on the Hugging Face Hub: upload, download, and ids such as ``owner/name@revision``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from distillora.artifacts import explain_full_disk
from distillora.errors import BundleError, DistilloraError, HubError, OfflineError
from distillora.inference.bundle import BUNDLE_MANIFEST, ONNX_FILES, TOKENIZER, Bundle
from distillora.network import connection_errors, error_chain, hub_answers, reach_hub

if TYPE_CHECKING:
    from huggingface_hub.errors import HfHubHTTPError

# all that the classifier needs; safetensors and configuration are for transformers
_NEEDED = ("README.md", BUNDLE_MANIFEST, TOKENIZER, *ONNX_FILES.values())
# weights of an earlier bundle would be wrong for the new one
_WEIGHTS = (*ONNX_FILES.values(), "model.safetensors")
_MAIN = "main"
_NAME = r"[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?"
_MODEL_ID = re.compile(rf"(?P<repo>{_NAME}/{_NAME})(?:@(?P<revision>[^\s@]+))?")
_LOG_IN = "log in with `hf auth login`, or set HF_TOKEN"


class ModelId(NamedTuple):
    """A repository on the Hub, and a branch, tag or commit of it (None: ``main``)."""

    repo_id: str
    revision: str | None


def parse_model_id(name: str) -> ModelId:
    """Read ``owner/name`` or ``owner/name@revision``.

    >>> parse_model_id("acme/tickets@v2")
    ModelId(repo_id='acme/tickets', revision='v2')

    Raises:
        BundleError: it is neither.
    """
    match = _MODEL_ID.fullmatch(name)
    # the Hub's own rules: https://huggingface.co/docs/huggingface_hub, `validate_repo_id`
    if match is None or "--" in match["repo"] or ".." in match["repo"] or len(match["repo"]) > 96:
        raise BundleError(
            f"'{name}' is not a model on the Hub. Write owner/name or owner/name@revision."
        )
    return ModelId(match["repo"], match["revision"])


def _check_repo_id(name: str) -> None:
    """Raise a BundleError for a name that is not ``owner/name``."""
    try:
        revision = parse_model_id(name).revision
    except BundleError:
        raise BundleError(
            f"'{name}' is not the name of a model on the Hub. Write owner/name; a branch other "
            f"than {_MAIN} is given as `revision`."
        ) from None
    if revision is not None:
        raise BundleError(f"'{name}' names a revision. Give the branch as `revision`.")


def locate_bundle(
    model: str | Path,
    *,
    token: str | None = None,
    notify: Callable[[str], None] | None = None,
) -> Path:
    """Return the folder of a bundle, given as a folder or as a model on the Hub.

    A folder takes precedence over the Hub; ``owner/name@main`` always means the Hub.

    Args:
        model: a folder, ``owner/name`` or ``owner/name@revision``.
        token: for the Hub; see ``fetch_bundle``.
        notify: is called with one line if the Hub is used, or if the name is ambiguous.

    Raises:
        BundleError: a folder of this name is not a bundle, there is neither a folder nor a model
            that could have this name, or the repository contains no bundle.
        HubError, OfflineError, StorageError: see ``fetch_bundle``.
    """
    folder, say = Path(model).expanduser(), notify or (lambda _: None)
    try:
        name = parse_model_id(str(model))
    except BundleError:
        if folder.exists():
            return folder  # opening it raises the error, if there is one
        raise BundleError(
            f"{model} is not a bundle: the folder does not exist. For a model on the Hub, write "
            "owner/name or owner/name@revision."
        ) from None
    if folder.exists():
        _check_folder(folder, name, say)
        return folder
    say(f"Using {model} from the Hugging Face Hub.")
    try:
        return fetch_bundle(name.repo_id, name.revision, token)
    except (HubError, OfflineError) as error:
        if name.revision is not None:
            raise
        raise type(error)(f"The folder {folder} does not exist. {error}") from error


def _check_folder(folder: Path, name: ModelId, say: Callable[[str], None]) -> None:
    """Refuse a folder that is not a bundle, and mention a cached model of the same name."""
    from huggingface_hub import constants

    on_the_hub = name.repo_id if name.revision else f"{name.repo_id}@{_MAIN}"
    if not (folder / BUNDLE_MANIFEST).is_file():
        raise BundleError(
            f"The folder {folder} is not a bundle: it has no {BUNDLE_MANIFEST}. For the model of "
            f"that name on the Hub, write {on_the_hub}."
        )
    if (Path(constants.HF_HUB_CACHE) / f"models--{name.repo_id.replace('/', '--')}").is_dir():
        say(
            f"Using the folder {folder}. For the model of that name on the Hub, write {on_the_hub}."
        )


def fetch_bundle(repo_id: str, revision: str | None = None, token: str | None = None) -> Path:
    """Download the files that the classifier needs, or find them in the Hub's cache.

    Files that were downloaded before work without network. Safetensors are not downloaded.
    Checksums are verified when the files are read, as for every bundle.

    Args:
        repo_id: ``owner/name``.
        revision: a branch, tag or commit; by default ``main``.
        token: by default the one that ``huggingface_hub`` finds: HF_TOKEN, or else the token
            saved by ``hf auth login``.

    Returns:
        The folder of the snapshot in the cache; its files may be links to the cache's blobs.

    Raises:
        BundleError: the repository contains no bundle.
        HubError: no such repository or revision, or no permission.
        OfflineError: the Hub cannot be reached, and the bundle is not in the cache.
        StorageError: the disk is full.
    """
    from huggingface_hub import constants, hf_hub_download, snapshot_download
    from huggingface_hub.errors import RemoteEntryNotFoundError

    with explain_full_disk(Path(constants.HF_HUB_CACHE)), _explain(repo_id, revision, "read"):
        offline = not hub_answers()
        try:
            manifest = hf_hub_download(
                repo_id, BUNDLE_MANIFEST, revision=revision, token=token, local_files_only=offline
            )
        except RemoteEntryNotFoundError as error:
            raise BundleError(
                f"The repository {_at(repo_id, revision)} contains no bundle: it has no "
                f"{BUNDLE_MANIFEST}. Push one with `distillora push BUNDLE {repo_id}`."
            ) from error
        folder = Path(manifest).parent
        # the same commit, even if the branch has moved in between
        snapshot_download(
            repo_id,
            revision=folder.name,
            token=token,
            allow_patterns=[*_NEEDED],
            local_files_only=offline,
        )
    return folder


def push_bundle(
    folder: Path,
    repo_id: str,
    *,
    private: bool = False,
    revision: str | None = None,
    token: str | None = None,
) -> str:
    """Upload a bundle to a repository on the Hub, which is created if it does not exist.

    Only files that the manifest lists are uploaded, after their checksums have been verified.
    Weights of an earlier bundle that this one does not have are deleted. After an interruption,
    call it again: data that the Hub already has is not sent again.

    Args:
        folder: the bundle's folder.
        repo_id: ``owner/name``.
        private: create a private repository; an existing public one is refused.
        revision: a branch, created from ``main`` if it does not exist; by default ``main``.
        token: by default the one that ``huggingface_hub`` finds: HF_TOKEN, or else the token
            saved by ``hf auth login``.

    Returns:
        The URL of the model.

    Raises:
        BundleError: the folder is not a bundle, or ``repo_id`` is not a valid name.
        IntegrityError: a file of the bundle is damaged or missing; nothing was uploaded.
        HubError: no token, no permission, or the Hub refuses the upload.
        OfflineError: the Hub cannot be reached.
    """
    from huggingface_hub import HfApi, get_token

    _check_repo_id(repo_id)
    bundle = Bundle.open(folder)
    bundle.verify()
    if not token and get_token() is None:
        raise HubError(f"Pushing to {repo_id} needs a token with write access: {_LOG_IN}.")
    api = HfApi(token=token)
    with _explain(repo_id, revision, "write to"):
        reach_hub()
        # None means the owner's default: an organization may prefer private repositories
        url = api.create_repo(repo_id, private=private or None, exist_ok=True)
        if private and not api.model_info(repo_id).private:
            raise HubError(
                f"{repo_id} exists and is public, so nothing was uploaded. Make it private in its "
                f"settings ({url}/settings), or choose another name."
            )
        if revision not in (None, _MAIN):
            api.create_branch(repo_id, branch=str(revision), exist_ok=True)
        api.upload_folder(
            repo_id=repo_id,
            folder_path=folder,
            revision=revision,
            allow_patterns=[BUNDLE_MANIFEST, *bundle.manifest.files],
            delete_patterns=[*_WEIGHTS],
            commit_message=f"Upload {bundle.manifest.name}",
        )
    return str(url) if revision in (None, _MAIN) else f"{url}/tree/{revision}"


@contextmanager
def _explain(repo_id: str, revision: str | None, action: str) -> Iterator[None]:
    """Turn a failed request to the Hub into an error that says what to do next.

    Args:
        repo_id, revision: the requested repository.
        action: "read" or "write to".
    """
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        with connection_errors():
            yield
    # all documented exceptions; a failed upload is a RuntimeError whose cause gives the reason
    except (OSError, RuntimeError, ValueError) as error:
        place = _at(repo_id, revision)
        refusals = [one for one in error_chain(error) if isinstance(one, HfHubHTTPError)]
        if refusals:
            raise _refusal(refusals[-1], repo_id, place, action) from error
        if isinstance(error, ConnectionError | LocalEntryNotFoundError):
            rest = (
                ", and it is not in the cache. Try again with network, and without HF_HUB_OFFLINE."
                if action == "read"
                else ". Try again with network, and without HF_HUB_OFFLINE: files that have "
                "arrived are not sent again."
            )
            raise OfflineError(
                f"The Hugging Face Hub cannot be reached to {action} {place}{rest}"
            ) from error
        if isinstance(error, OSError) and error.errno is not None:
            raise  # an error of the local disk
        raise HubError(f"The Hub refuses {place}: {_first_line(error)}") from error


def _refusal(error: HfHubHTTPError, repo_id: str, place: str, action: str) -> DistilloraError:
    """Return the error for an HTTP error of the Hub."""
    from huggingface_hub import errors

    status = error.response.status_code
    if isinstance(error, errors.GatedRepoError):
        return HubError(f"{place} is gated. Request access on its Hub page, then {_LOG_IN}.")
    if isinstance(error, errors.RevisionNotFoundError):
        return HubError(f"The Hub has {repo_id}, but not the revision in {place}.")
    if isinstance(error, errors.RepositoryNotFoundError):
        return HubError(
            f"The Hub has no model {repo_id}, or it is private and your token may not {action} it. "
            f"Check the name; for a private model, {_LOG_IN}."
        )
    if status == 401:
        return HubError(f"The Hub does not accept your token. Check it, or {_LOG_IN}.")
    if status == 403:
        return HubError(
            f"Your token may not {action} {place}: {_server_message(error)} Use a token with "
            "access; pushing needs write access (https://huggingface.co/settings/tokens)."
        )
    if status == 429 or status >= 500:
        return OfflineError(
            f"The Hub cannot serve {place} at the moment (HTTP {status}). Try again later: files "
            "that have arrived are not sent again."
        )
    return HubError(f"The Hub refuses {place} (HTTP {status}): {_server_message(error)}")


def _server_message(error: HfHubHTTPError) -> str:
    message = error.server_message or error.response.reason_phrase
    return f"{' '.join(message.split()).rstrip('.')}."


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _at(repo_id: str, revision: str | None) -> str:
    return f"{repo_id}@{revision}" if revision else repo_id
