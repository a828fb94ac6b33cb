"""The paths of a run, and atomic writes, checksums and locks for its files."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from distillora.errors import DistilloraError, RunFolderError, StorageError

MANIFEST = "manifest.json"
_PART = ".part"


@dataclass(frozen=True)
class ArmLayout:
    """The paths of one arm at one seed."""

    root: Path

    @property
    def replaced(self) -> Path:
        """The folder of the old arm during ``--retrain-changed``, until the run is complete."""
        return self.root.with_name(f"replaced-{self.root.name}")

    @property
    def model(self) -> Path:
        """The final weights: merged, safetensors, with configuration and tokenizer."""
        return self.root / "model"

    @property
    def adapter(self) -> Path:
        """The adapter, for LoRA arms."""
        return self.root / "adapter"

    @property
    def checkpoints(self) -> Path:
        """Training state, deleted once the arm is finished."""
        return self.root / "checkpoints"

    @property
    def tensorboard(self) -> Path:
        """Event files for TensorBoard."""
        return self.root / "tensorboard"

    @property
    def predictions(self) -> Path:
        """Logits and labels of validation and test."""
        return self.root / "predictions.parquet"

    @property
    def fingerprint(self) -> Path:
        """What the weights depend on; written before training."""
        return self.root / "fingerprint.json"

    @property
    def training(self) -> Path:
        """The measurements of training; written last by the training stage."""
        return self.root / "training.json"

    @property
    def result(self) -> Path:
        """The arm's entry in ``results.json``; written last, so an arm with it is finished."""
        return self.root / "result.json"


@dataclass(frozen=True)
class RunLayout:
    """Every path of a run."""

    root: Path

    @property
    def recipe(self) -> Path:
        """The recipe with every setting written out."""
        return self.root / "recipe.yaml"

    @property
    def results(self) -> Path:
        """All figures of the run."""
        return self.root / "results.json"

    @property
    def data(self) -> Path:
        """The splits as they are used, and the unlabelled texts."""
        return self.root / "data"

    @property
    def measurement(self) -> Path:
        """The speed of each shape of model, and how it was measured."""
        return self.root / "measurement.json"

    @property
    def renewal(self) -> Path:
        """The arms that ``--retrain-changed`` retrains; deleted when all are finished."""
        return self.root / "renewal.json"

    @property
    def audit(self) -> Path:
        """The audit of the data."""
        return self.root / "audit.json"

    @property
    def report(self) -> Path:
        """The report as one self-contained page."""
        return self.root / "report.html"

    @property
    def tokens(self) -> Path:
        """Cached tokens."""
        return self.root / "cache" / "tokens"

    @property
    def teacher_outputs(self) -> Path:
        """Cached outputs of the teachers over the training texts."""
        return self.root / "cache" / "teacher-outputs"

    def arm(self, name: str, seed: int) -> ArmLayout:
        """Return the paths of one arm at one seed."""
        return ArmLayout(self.root / "arms" / name / f"seed-{seed}")

    def arms(self) -> list[tuple[str, int]]:
        """Return the name and seed of every arm that has a folder, sorted."""
        folders = self.root.glob("arms/*/seed-*")
        found = [(path.parent.name, path.name.removeprefix("seed-")) for path in folders]
        return sorted((name, int(seed)) for name, seed in found if seed.isdecimal())


def write_atomic(path: Path, data: str | bytes) -> None:
    """Write a file atomically: readers, even after a crash, see the old or the new content."""
    raw = data.encode() if isinstance(data, str) else data

    def write(part: Path) -> None:
        part.write_bytes(raw)

    write_file_atomic(path, write)


def write_file_atomic(path: Path, write: Callable[[Path], object]) -> None:
    """Let ``write`` fill a temporary file next to ``path``, then rename it to ``path``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=_PART)
    os.close(handle)
    part = Path(name)
    try:
        write(part)
        _sync(part)
        part.chmod(0o644)  # mkstemp makes it private, but results are shared
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_folder_atomic(path: Path, write: Callable[[Path], object]) -> None:
    """Let ``write`` fill a temporary folder next to ``path``, then rename it to ``path``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=_PART))
    try:
        write(part)
        for file in _files(part):
            _sync(file)
        part.chmod(0o755)
        if path.exists():
            shutil.rmtree(path)
        part.replace(path)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def delete_folder(path: Path) -> None:
    """Delete a folder atomically: readers, even after a crash, see all of it or nothing."""
    part = path.with_name(f".{path.name}.deleted{_PART}")
    shutil.rmtree(part, ignore_errors=True)
    path.replace(part)
    shutil.rmtree(part)


def delete_parts(folder: Path) -> None:
    """Delete the unfinished files that a killed process left in a folder."""
    for part in list(folder.rglob(f".*{_PART}")):
        if part.is_dir():
            shutil.rmtree(part)
        else:
            part.unlink(missing_ok=True)


def sha256_file(path: Path) -> str:
    """Return the SHA-256 of a file as 64 hex digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def seal_folder(folder: Path) -> None:
    """Write a manifest with the checksum of every file, which marks the folder as complete."""
    for file in _files(folder):
        _sync(file)
    sums = {str(file.relative_to(folder)): sha256_file(file) for file in _files(folder)}
    write_atomic(folder / MANIFEST, json.dumps(sums, indent=1))


def is_sealed(folder: Path) -> bool:
    """Whether the folder has a manifest and every listed file has its checksum."""
    return find_damage(folder) is None


def find_damage(folder: Path) -> Path | None:
    """Return the first file that differs from the manifest, or an unreadable manifest itself."""
    try:
        sums: dict[str, str] = json.loads((folder / MANIFEST).read_text())
        files = {folder / name: digest for name, digest in sums.items()}
    except (OSError, ValueError, AttributeError):
        return folder / MANIFEST
    for path, digest in files.items():
        try:
            if sha256_file(path) != digest:
                return path
        except OSError:
            return path
    return None


@contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Lock the folder for this process; the system releases the lock even after ``kill -9``.

    Raises:
        RunFolderError: another process has locked it, or it cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise RunFolderError(f"{folder} is a file. Give a folder with `out`.") from None
    except PermissionError:
        raise RunFolderError(
            f"{folder} cannot be written to. Give another folder with `out`."
        ) from None
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise RunFolderError(
            f"{folder} is in use by another run. Wait for it, or give another folder with `out`."
        ) from None
    try:
        yield
    finally:
        lock.release()


@contextmanager
def one_at_a_time(path: Path) -> Iterator[None]:
    """Wait until no other process makes ``path``, and lock it until the block ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f".{path.name}.lock")):
        yield


@contextmanager
def explain_full_disk(folder: Path) -> Iterator[None]:
    """Turn "no space left on device" from any library into a StorageError."""
    try:
        yield
    except DistilloraError:
        raise
    except Exception as error:
        if not _is_full_disk(error):
            raise
        raise StorageError(
            f"No space left for {folder}. Finished work is kept: free some space and run the same "
            "command again to continue."
        ) from error


def _is_full_disk(error: BaseException) -> bool:
    # safetensors and pyarrow raise their own types, which share only the system's message
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    return "no space left on device" in str(error).lower()


def _files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.is_file() and p.name != MANIFEST)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
