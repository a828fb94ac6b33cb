"""Hashes by which models are told apart: of their files, their weights, their configuration."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from huggingface_hub import hf_hub_download
from huggingface_hub.errors import EntryNotFoundError
from transformers import PreTrainedConfig
from transformers.utils import CONFIG_NAME, SAFE_WEIGHTS_INDEX_NAME, SAFE_WEIGHTS_NAME

from distillora.artifacts import sha256_file
from distillora.errors import ModelError
from distillora.models.origin import explain_loading, source_options


def source_sha256(name: str, revision: str | None, *, weights: bool) -> str:
    """Return a hash of the files of a model: its configuration and its weights.

    Args:
        name, revision: ``bundled``, a folder, or a Hub id and its revision.
        weights: whether its weights are used, or its configuration alone.

    Raises:
        ModelError: a file is missing.
        OfflineError: it is on the Hub, and the Hub cannot be reached.
    """
    digest = hashlib.sha256()
    with explain_loading(name):
        options = source_options(name, revision)
        place = options.pop("pretrained_model_name_or_path")
        fetch = functools.partial(_fetch, place, revision, options["local_files_only"])
        files = [CONFIG_NAME, *(_weight_files(fetch) if weights else ())]
        for file in files:
            found = fetch(file)
            if found is None:
                raise ModelError(f"{name} has no {file}.")
            digest.update(f"{file} {sha256_file(found)}\n".encode())
    return digest.hexdigest()


def _weight_files(fetch: Callable[[str], Path | None]) -> list[str]:
    index = None if fetch(SAFE_WEIGHTS_NAME) else fetch(SAFE_WEIGHTS_INDEX_NAME)
    if index is None:
        return [SAFE_WEIGHTS_NAME]
    return sorted(set(json.loads(index.read_text("utf-8"))["weight_map"].values()))


def _fetch(place: str, revision: str | None, offline: bool, file: str) -> Path | None:
    """Return a model's file, from the Hub if it is there; None if the model has no such file."""
    if Path(place).is_dir():
        path = Path(place) / file
        return path if path.is_file() else None
    try:
        return Path(hf_hub_download(place, file, revision=revision, local_files_only=offline))
    except EntryNotFoundError:  # offline, a file that is not in the cache is one of these, too
        return None


def weights_sha256(model: torch.nn.Module, without: Sequence[str] = ()) -> str:
    """Return a hash of all parameters and buffers of a model, by name and value.

    Modules named in ``without`` are left out.
    """
    digest = hashlib.sha256()
    left_out = tuple(f"{name}." for name in without)
    for name, tensor in sorted(model.state_dict().items()):
        if name.startswith(left_out):
            continue
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        flat = tensor.detach().cpu().contiguous().flatten().view(torch.uint8)
        digest.update(flat.numpy().tobytes())
    return digest.hexdigest()


# without effect on what a model computes
_INCIDENTAL = ("_name_or_path", "architectures", "dtype", "torch_dtype", "transformers_version")


def config_sha256(config: PreTrainedConfig) -> str:
    """Return a hash of the settings of a configuration that affect what a model computes."""
    settings = {key: value for key, value in config.to_dict().items() if key not in _INCIDENTAL}
    return hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode()).hexdigest()
