"""A bundle: the folder that ships, and the manifest that says what is in it.

Only files that the manifest lists are read, each after its checksum; none may lie elsewhere. The
one exception is the Hub's cache, whose files are links to its own blobs.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from distillora.errors import BundleError, IntegrityError, did_you_mean
from distillora.probabilities import TaskType
from distillora.signals.toxicity import ToxicityRule

BUNDLE_MANIFEST = "bundle.json"
TOKENIZER = "tokenizer.json"
ONNX_FILES = {"fp32": "model.onnx", "int8": "model-int8.onnx"}

Precision = Literal["fp32", "int8"]
_SHARED_BLOB = re.compile(r"[0-9a-f]{2}/[0-9a-f]{64}")
# a plain file name: no folder, no drive, no way out of the bundle
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class FileRecord(_Part):
    """One file of the bundle: its size in bytes and its SHA-256."""

    bytes: int
    sha256: str


class Origin(_Part):
    """Where the model comes from.

    Attributes:
        recipe, arm, seed: which arm of which recipe.
        commit: of distillora, when the arm was judged; None outside a checkout.
        data: hash of each split's rows.
        weights_sha256: of the arm as it was trained.
        layers: how many the model has.
        parameters: of the model that ships.
        vocabulary: tokens that it knows.
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
    """How well one precision does on one split, at the thresholds of the bundle."""

    accuracy: float
    f1_macro: float
    f1_weighted: float
    calibration_error: float


class Manifest(_Part):
    """What ``bundle.json`` says.

    Attributes:
        name: of the model, for people.
        task: how logits become probabilities.
        labels: in the order of the logits.
        thresholds: multi-label: from which probability on a label counts; in label order.
        temperature: what calibration divided the logits by; the weights hold it already.
        max_length: tokens per text, special ones included.
        toxicity: the rule of the toxicity reading; None if no label tells of it.
        quality: precision -> split -> metrics, as the export measured them.
        files: every file of the bundle but this one.
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
            raise ValueError("a multi-label model has thresholds, a single-label model has none")
        if self.thresholds is not None and len(self.thresholds) != len(self.labels):
            raise ValueError("there must be one threshold for each label")
        return self


@dataclass(frozen=True)
class Bundle:
    """An open bundle: its folder and its manifest."""

    folder: Path
    manifest: Manifest

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Read a bundle's manifest.

        Raises:
            BundleError: the folder is none.
            IntegrityError: its manifest cannot be read, or is a link to elsewhere.
        """
        path = folder / BUNDLE_MANIFEST
        if not path.is_file():
            raise BundleError(
                f"{folder} is not a bundle: it has no {BUNDLE_MANIFEST}. "
                "Make one of a trained arm: distillora export runs/RUN/arms/ARM/seed-0 --out FOLDER"
            )
        _refuse_foreign_link(folder, path)
        try:
            return cls(folder, Manifest.model_validate_json(path.read_bytes()))
        except (OSError, ValidationError) as error:
            problem = _first_problem(error)
            raise IntegrityError(f"{path} cannot be used: {problem}. Export it again.") from error

    @property
    def precisions(self) -> tuple[Precision, ...]:
        """The precisions that it ships, the fastest first."""
        order: tuple[Precision, ...] = ("int8", "fp32")
        return tuple(p for p in order if ONNX_FILES[p] in self.manifest.files)

    def onnx(self, precision: Precision | None) -> tuple[Precision, bytes]:
        """Return a precision (the fastest, if none is named) and the content of its ONNX file.

        Raises:
            BundleError: the bundle does not have it.
        """
        if not self.precisions:
            raise BundleError(f"{self.folder} holds no ONNX model. Export it again.")
        chosen = precision or self.precisions[0]
        if chosen not in self.precisions:
            raise BundleError(
                f"{self.folder} has no {chosen} model.{did_you_mean(chosen, self.precisions)}"
            )
        return chosen, self.read(ONNX_FILES[chosen])

    def read(self, name: str) -> bytes:
        """Return the content of a file that the manifest lists.

        Raises:
            IntegrityError: it is not listed, missing, a link to elsewhere, or not what its checksum
                says.
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
                f"{path} is damaged: it is not what its checksum says. Export the bundle again, "
                "or download it again."
            )
        return content

    def verify(self) -> None:
        """Check every file that the manifest lists.

        Raises:
            IntegrityError: one is missing, a link to elsewhere, or not what its checksum says.
        """
        for name in self.manifest.files:
            self.read(name)


def _refuse_foreign_link(folder: Path, path: Path) -> None:
    """Refuse a file that is a link, unless it is one that the Hub's cache makes.

    ``CACHE/models--OWNER--NAME/snapshots/COMMIT/FILE`` is a link to ``blobs/HASH`` of the same
    repository, which may in turn be one to ``CACHE/blobs/XX/HASH`` (the store for all
    repositories, since ``huggingface_hub`` 2).

    Raises:
        IntegrityError: it leads elsewhere.
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
    raise IntegrityError(f"{path} is a link to {target}. Export or download the bundle again.")


def _first_problem(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    first: Any = error.errors()[0]
    where = ".".join(map(str, first["loc"]))
    return f"{where}: {first['msg']}" if where else str(first["msg"])
