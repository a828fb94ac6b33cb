"""Loading pretrained encoders and ready classifiers, and building them with random weights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)
from transformers.utils import logging as transformers_logging

from distillora.errors import ModelError
from distillora.models.origin import explain_loading, source_options


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
            **source_options(name, revision),
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


def load_classifier_config(
    name: str, revision: str | None, label_names: Sequence[str], *, multi_label: bool
) -> PreTrainedConfig:
    """Read the configuration of a ready classifier, and make sure that it has these labels."""
    with explain_loading(name):
        config = AutoConfig.from_pretrained(**source_options(name, revision))
    _check_labels(name, config, label_names)
    config.problem_type = _problem_type(multi_label=multi_label)
    return config


def load_classifier(
    name: str, revision: str | None, label_names: Sequence[str], *, multi_label: bool
) -> PreTrainedModel:
    """Load a ready classifier with its own head.

    Raises:
        ModelError: its labels differ or are in another order, or its head is not trained.
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
        f"The classifier {name} has {difference}. Use one that was trained on these labels, "
        "or use it as `backbone`."
    )


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Hide the progress bars and warnings of transformers, such as its report of a new head.

    Another verbosity than the default, which somebody chose, is left as it is.
    """
    shown = transformers_logging.is_progress_bar_enabled()
    verbosity = transformers_logging.get_verbosity()
    transformers_logging.disable_progress_bar()
    if verbosity == transformers_logging.WARNING:
        transformers_logging.set_verbosity_error()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        if shown:
            transformers_logging.enable_progress_bar()


def _load_model(name: str, revision: str | None, config: PreTrainedConfig, **options: Any) -> Any:
    with explain_loading(name), quiet_transformers():
        source = source_options(name, revision)
        return AutoModelForSequenceClassification.from_pretrained(
            **source,
            config=config,
            use_safetensors=True,
            # transformers looks for an adapter beside the weights, without passing this option on
            adapter_kwargs={"local_files_only": source["local_files_only"]},
            dtype=torch.float32,
            **options,
        )


def save_model(model: Any, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Write a model's weights, configuration and tokenizer to a folder."""
    with quiet_transformers():
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)


def load_tokenizer(name: str, revision: str | None = None) -> PreTrainedTokenizerFast:
    """Load the tokenizer that belongs to an encoder.

    Raises:
        ModelError: there is none, or none that the ``tokenizers`` library can run.
    """
    with explain_loading(name), quiet_transformers():
        tokenizer = AutoTokenizer.from_pretrained(**source_options(name, revision))
    if not tokenizer.is_fast:
        raise ModelError(
            f"{name} has no fast tokenizer (tokenizer.json). Use an encoder that does."
        )
    # without its files, transformers makes a tokenizer to which every word is unknown
    if not {*tokenizer.get_vocab()} - {*tokenizer.all_special_tokens}:
        raise ModelError(
            f"{name} has no tokenizer, or one without a single word. Add the tokenizer.json that "
            "belongs to the encoder."
        )
    return tokenizer


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

    They are drawn as the architecture draws them before pretraining, from torch's generator: the
    same seed gives the same weights.

    Raises:
        ModelError: the configuration contradicts itself.
    """
    with explain_loading(f"a {config.model_type} of this configuration"):
        return AutoModelForSequenceClassification.from_config(
            config, trust_remote_code=False, dtype=torch.float32
        )
