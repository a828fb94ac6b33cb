"""Models of a few thousand parameters, built in code, one of each supported architecture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    AutoModelForSequenceClassification,
    BertConfig,
    DebertaV2Config,
    DistilBertConfig,
    ElectraConfig,
    ModernBertConfig,
    MPNetConfig,
    PreTrainedTokenizerFast,
    RobertaConfig,
)

from distillora.artifacts import sha256_file
from distillora.data.tokens import TokenizedSplit
from distillora.inference.bundle import BUNDLE_MANIFEST, FileRecord, Manifest, Origin
from distillora.probabilities import TaskType
from distillora.signals.toxicity import HOSTILE_EMOTIONS, ToxicityRule

LABELS = ("joy", "anger", "sadness", "surprise", "neutral")
VOCAB = 200

_SIZE: dict[str, Any] = {
    "vocab_size": VOCAB,
    "hidden_size": 16,
    "num_hidden_layers": 6,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 140,
    "id2label": dict(enumerate(LABELS)),
    "label2id": {label: i for i, label in enumerate(LABELS)},
}

_BUILDERS: dict[str, Any] = {
    "bert": BertConfig,
    "roberta": RobertaConfig,
    "electra": lambda **size: ElectraConfig(embedding_size=16, **size),
    "distilbert": DistilBertConfig,
    "mpnet": MPNetConfig,
    "deberta-v2": lambda **size: DebertaV2Config(
        relative_attention=True,
        pos_att_type=["p2c", "c2p"],
        position_buckets=16,
        conv_kernel_size=3,
        **size,
    ),
    "modernbert": lambda **size: ModernBertConfig(
        local_attention=8,
        bos_token_id=1,
        eos_token_id=2,
        cls_token_id=1,
        sep_token_id=2,
        **{"pad_token_id": 0, **size},
    ),
}

ARCHITECTURES = tuple(_BUILDERS)


def tiny_config(architecture: str = "bert", **changes: Any) -> Any:
    size = {**_SIZE, **changes}
    if architecture == "distilbert":
        names = {
            "hidden_size": "dim",
            "num_hidden_layers": "n_layers",
            "num_attention_heads": "n_heads",
            "intermediate_size": "hidden_dim",
        }
        size = {names.get(key, key): value for key, value in size.items()}
    return _BUILDERS[architecture](**size)


def tiny_model(architecture: str = "bert", seed: int = 0, **changes: Any) -> Any:
    torch.manual_seed(seed)
    model = AutoModelForSequenceClassification.from_config(tiny_config(architecture, **changes))
    return model.eval()


def tiny_batch(rows: int = 3, length: int = 9) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(7)
    ids = torch.randint(5, VOCAB, (rows, length), generator=generator)
    mask = torch.ones_like(ids)
    ids[-1, length - 3 :], mask[-1, length - 3 :] = 1, 0
    return {"input_ids": ids, "attention_mask": mask}


def tiny_tokens(rows: int = 40, seed: int = 0, longest: int = 20) -> TokenizedSplit:
    """Return random texts of 3 to ``longest`` tokens."""
    random = np.random.default_rng(seed)
    lengths = random.integers(3, longest + 1, rows)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    ids = random.integers(5, VOCAB, offsets[-1]).astype(np.int32)
    return TokenizedSplit(ids, offsets, lengths)


def learnable_classes(tokens: TokenizedSplit) -> np.ndarray[Any, Any]:
    """Return a class for each row that its first token alone tells."""
    return tokens.input_ids[tokens.offsets[:-1]].astype(np.int64) % len(LABELS)


def tiny_tokenizer() -> Any:
    """Return a fast tokenizer of the words ``w5`` to ``w199``, each its own number."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"w{i}" for i in range(5, VOCAB))]
    backend = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        **{"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]"},
        **{"sep_token": "[SEP]", "mask_token": "[MASK]"},
    )


def save_tiny_backbone(folder: Path, architecture: str = "bert", **changes: Any) -> Path:
    """Write a pretrained encoder without a head, and its tokenizer."""
    tiny_model(architecture, **changes).base_model.save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


def write_tiny_data(folder: Path, rows: int = 60, labels: int = 4) -> Path:
    """Write a data set in TSV whose class is that of the text's first word."""
    random = np.random.default_rng(3)
    folder.mkdir(parents=True, exist_ok=True)
    for split, count in (("train", rows), ("dev", rows // 3), ("test", rows // 3)):
        lines = []
        for i in range(count):
            words = random.integers(5, VOCAB, random.integers(2, 12))
            text = " ".join(f"w{word}" for word in words)
            lines.append(f"{text}\t{words[0] % labels}\t{split}{i}\n")
        (folder / f"{split}.tsv").write_text("".join(lines))
    (folder / "labels.txt").write_text("".join(f"{name}\n" for name in LABELS[:labels]))
    return folder


def tiny_recipe_values(backbone: Path, data: Path) -> dict[str, Any]:
    """Return a recipe that trains a teacher, an odd student, LoRA and a hybrid in a second each."""
    distilled = {"labels": 0.5, "distillation": 0.5}
    lora = {"method": "lora", "rank": 4, "targets": "auto"}
    return {
        "name": "tiny",
        "data": {"source": "folder", "path": str(data), "max_length": 32},
        "training": {"epochs": 2, "batch_size": 8, "learning_rate": 1e-3, "precision": "fp32"},
        "arms": {
            "teacher": {"init": {"backbone": str(backbone)}},
            "odd": {"init": {"arm": "teacher", "layers": "odd"}, "objective": distilled},
            "lora": {"init": {"backbone": str(backbone)}, "tuning": lora},
            "hybrid": {
                "init": {"arm": "teacher", "layers": "odd"},
                "tuning": lora,
                "objective": {**distilled, "hidden_cosine": 0.5},
            },
        },
    }


def save_tiny_bundle(folder: Path) -> Path:
    """Write a bundle of a tiny untrained BERT in fp32 and int8, with every part of a real one."""
    from distillora.exporting.onnx_model import make_feeds, quantize_onnx, write_onnx

    # large weights: an untrained model with small ones says nearly the same to everything
    model = tiny_model("bert", num_hidden_layers=2, initializer_range=0.5)
    model.config.problem_type = "multi_label_classification"
    model.save_pretrained(folder)
    tokenizer = tiny_tokenizer()
    tokenizer.save_pretrained(folder)
    write_onnx(model, folder / "model.onnx")
    feeds = make_feeds(tokenizer, [f"w{i} w{i + 1}" for i in range(5, 100)], 128)
    quantize_onnx(folder / "model.onnx", folder / "model-int8.onnx", feeds)
    write_tiny_manifest(folder, "multi_label", LABELS)
    return folder


def write_tiny_manifest(
    folder: Path, task: TaskType, labels: tuple[str, ...], **changes: Any
) -> None:
    """Write the manifest of a tiny bundle for the files that are there."""
    emotions = tuple(label for label in HOSTILE_EMOTIONS if label in labels)
    origin = Origin(
        **{"recipe": "tiny", "arm": "tiny", "seed": 0, "commit": None, "distillora": "0"},
        **{"data": {}, "weights_sha256": "", "layers": 2, "parameters": 5000},
        vocabulary=VOCAB,
    )
    values: dict[str, Any] = {
        "name": "tiny",
        "task": task,
        "labels": labels,
        "thresholds": (0.5,) * len(labels) if task == "multi_label" else None,
        "temperature": 1.0,
        "max_length": 128,
        "toxicity": ToxicityRule(emotions=emotions) if emotions else None,
        "origin": origin,
        "quality": {},
        "files": {
            path.name: FileRecord(bytes=path.stat().st_size, sha256=sha256_file(path))
            for path in folder.iterdir()
            if path.name != BUNDLE_MANIFEST
        },
    }
    manifest = Manifest(**values | changes)
    (folder / BUNDLE_MANIFEST).write_text(manifest.model_dump_json())


def make_frame(rows: int = 60, **columns: Any) -> pd.DataFrame:
    """Texts whose label their first word tells, as in ``write_tiny_data``."""
    random = np.random.default_rng(3)
    words = [random.integers(5, VOCAB, random.integers(2, 12)) for _ in range(rows)]
    texts = [" ".join(f"w{word}" for word in row) for row in words]
    labels = [f"topic {row[0] % 3}" for row in words]
    return pd.DataFrame({"id": range(rows), "body": texts, "queue": labels, **columns})
