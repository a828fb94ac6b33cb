"""A bundle: the folder of an exported model, and its manifest.

Only files that the manifest lists are read, after their checksums have been verified. Links are
refused, except in the Hub's cache, whose files are links to its own blobs.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from distillora.errors import BundleError, InputError, IntegrityError, did_you_mean
from distillora.probabilities import TaskType
from distillora.signals.toxicity import ToxicityRule

BUNDLE_MANIFEST = "bundle.json"
TOKENIZER = "tokenizer.json"
ONNX_FILES = {"fp32": "model.onnx", "int8": "model-int8.onnx"}

Precision = Literal["fp32", "int8"]
_SHARED_BLOB = re.compile(r"[0-9a-f]{2}/[0-9a-f]{64}")
# a plain file name: no folder and no drive, so it cannot leave the bundle
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class FileRecord(_Part):
    """The size in bytes and the SHA-256 of a file."""

    bytes: int
    sha256: str


class Origin(_Part):
    """The origin of a model.

    Attributes:
        recipe, arm, seed: their names, and the seed.
        commit: distillora's commit that trained the arm; None outside a checkout.
        distillora: the version of distillora that exported it.
        data: split -> SHA-256 of its rows.
        weights_sha256: hash of the trained weights.
        layers: number of layers.
        parameters: number of parameters of the exported model.
        vocabulary: number of tokens.
    """

    recipe: str
    arm: str
    seed: int
    commit: str | None
    distillora: str
    data: dict[str, str]
    weights_sha256: str
    layers: int
    parameters: int
    vocabulary: int


class Quality(_Part):
    """Metrics of one precision on one split, at the bundle's thresholds; shares in [0, 1]."""

    accuracy: float
    f1_macro: float
    f1_weighted: float
    calibration_error: float


class Manifest(_Part):
    """The content of ``bundle.json``.

    Attributes:
        name: the model's name, for people.
        task: ``single_label`` (softmax) or ``multi_label`` (sigmoid).
        labels: in the order of the logits.
        thresholds: multi-label: a label applies at or above this probability; in label order.
        temperature: the divisor of the logits, already part of the weights.
        max_length: the maximum number of tokens per text, including special ones.
        toxicity: the toxicity rule; None for a model without emotion labels.
        origin: where the model comes from.
        quality: precision -> split -> metrics, measured by the export.
        files: every file of the bundle except this one.
    """

    format: Literal[1] = 1
    name: str
    task: TaskType
    labels: tuple[str, ...] = Field(min_length=2)
    thresholds: tuple[float, ...] | None
    temperature: float = Field(gt=0)
    max_length: int = Field(ge=4, le=128)
    toxicity: ToxicityRule | None
    origin: Origin
    quality: dict[Precision, dict[str, Quality]]
    files: dict[FileName, FileRecord]

    @model_validator(mode="after")
    def _thresholds_fit(self) -> Self:
        if (self.thresholds is None) == (self.task == "multi_label"):
            raise ValueError("multi-label models need thresholds, single-label models have none")
        if self.thresholds is not None and len(self.thresholds) != len(self.labels):
            raise ValueError("there must be one threshold for each label")
        return self


@dataclass(frozen=True)
class Bundle:
    """An open bundle: its folder and its manifest."""

    folder: Path
    manifest: Manifest

    @classmethod
    def open(cls, folder: str | Path) -> Self:
        """Read the manifest of the bundle in a folder.

        Raises:
            BundleError: the folder is not a bundle.
            IntegrityError: its manifest cannot be read, or is a link to elsewhere.
        """
        folder = Path(folder).expanduser()
        path = folder / BUNDLE_MANIFEST
        if not path.is_file():
            raise BundleError(
                f"{folder} is not a bundle: it has no {BUNDLE_MANIFEST}. "
                "Export a trained arm: distillora export runs/RUN/arms/ARM/seed-0 --out FOLDER"
            )
        _refuse_foreign_link(folder, path)
        try:
            return cls(folder, Manifest.model_validate_json(path.read_bytes()))
        except (OSError, ValidationError, InputError) as error:
            problem = _first_problem(error)
            raise IntegrityError(f"{path} cannot be used: {problem}. Export it again.") from error

    @property
    def precisions(self) -> tuple[Precision, ...]:
        """The precisions that the bundle has, the fastest first."""
        order: tuple[Precision, ...] = ("int8", "fp32")
        return tuple(p for p in order if ONNX_FILES[p] in self.manifest.files)

    def onnx(self, precision: Precision | None) -> tuple[Precision, bytes]:
        """Return a precision (by default the fastest) and the content of its ONNX file.

        Raises:
            BundleError: the bundle does not have it.
        """
        if not self.precisions:
            raise BundleError(f"{self.folder} contains no ONNX model. Export it again.")
        chosen = precision or self.precisions[0]
        if chosen not in self.precisions:
            raise BundleError(
                f"{self.folder} has no {chosen} model.{did_you_mean(chosen, self.precisions)}"
            )
        return chosen, self.read(ONNX_FILES[chosen])

    def read(self, name: str) -> bytes:
        """Return the content of a file that the manifest lists.

        Raises:
            IntegrityError: it is not listed, missing, or a link to elsewhere, or its checksum is
                wrong.
        """
        record, path = self.manifest.files.get(name), self.folder / name
        if record is None:
            raise IntegrityError(f"{self.folder} does not list {name}. Export it again.")
        _refuse_foreign_link(self.folder, path)
        if not path.is_file():
            raise IntegrityError(f"{path} is missing. Export or download the bundle again.")
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest() != record.sha256:
            raise IntegrityError(
                f"{path} is damaged: its checksum is wrong. Export or download the bundle again."
            )
        return content

    def __repr__(self) -> str:
        size = sum(record.bytes for record in self.manifest.files.values()) / 1e6
        parts = [repr(str(self.folder)), f"{len(self.manifest.labels)} labels"]
        parts += [" + ".join(self.precisions), f"{size:,.0f} MB" if size >= 1 else "< 1 MB"]
        return f"Bundle({', '.join(filter(None, parts))})"

    def verify(self) -> None:
        """Check every file that the manifest lists.

        Raises:
            IntegrityError: one is missing or a link to elsewhere, or its checksum is wrong.
        """
        for name in self.manifest.files:
            self.read(name)


def _refuse_foreign_link(folder: Path, path: Path) -> None:
    """Refuse a file that is a link, except the links of the Hub's cache.

    ``CACHE/models--OWNER--NAME/snapshots/COMMIT/FILE`` is a link to ``blobs/HASH`` of the same
    repository, which may in turn be a link to ``CACHE/blobs/XX/HASH`` (shared by all repositories,
    since ``huggingface_hub`` 2).

    Raises:
        IntegrityError: the link leads elsewhere.
    """
    if not path.is_symlink():
        return
    snapshots = folder.resolve().parent
    repository, target = snapshots.parent, path.resolve()
    cached = snapshots.name == "snapshots" and repository.name.startswith("models--")
    shared = repository.parent / "blobs"
    in_shared = target.is_relative_to(shared) and _SHARED_BLOB.fullmatch(
        target.relative_to(shared).as_posix()
    )
    if cached and (target.parent == repository / "blobs" or in_shared):
        return
    raise IntegrityError(
        f"{path} is a link to {target}, which is refused. Export or download the bundle again."
    )


def _first_problem(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    first: Any = error.errors()[0]
    where = ".".join(map(str, first["loc"]))
    return f"{where}: {first['msg']}" if where else str(first["msg"])
