"""Finished parts of an output, kept next to it until it is complete.

``.NAME.parts/`` contains ``settings.json``, which says what the parts were made from, and a file
for each finished chunk. A part gets its name only after it is synced to disk, so every part in the
folder is complete.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO

from filelock import FileLock, Timeout

from distillora.artifacts import write_atomic
from distillora.errors import InputError, RunFolderError

_SETTINGS = "settings.json"


class PartStore:
    """The parts of one output, in their own folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def spool(self) -> Path:
        """The copy of an input stream, which is read twice."""
        return self._folder / "input"

    @property
    def begun(self) -> bool:
        """Whether an earlier run left parts."""
        return (self._folder / _SETTINGS).is_file()

    def begin(self, settings: dict[str, Any], *, resume: bool) -> None:
        """Start over, or accept the parts of an earlier run.

        Raises:
            InputError: those were made from another input, model or options.
        """
        if resume and self.begun:
            self._compare(settings)
            return
        (self._folder / _SETTINGS).unlink(missing_ok=True)
        for path in self._folder.glob("*.chunk"):
            path.unlink()
        write_atomic(self._folder / _SETTINGS, json.dumps(settings, indent=1))

    def has(self, number: int) -> bool:
        """Whether a chunk is finished."""
        return self._part(number).is_file()

    def add(self, number: int, content: bytes) -> None:
        """Keep a finished chunk."""
        write_atomic(self._part(number), content)

    def finish(
        self, count: int, join: Callable[[list[Path], BinaryIO], None], target: Path | BinaryIO
    ) -> None:
        """Join the parts into the output; a file is replaced atomically."""
        parts = [self._part(number) for number in range(count)]
        if not isinstance(target, Path):
            join(parts, target)
            return
        whole = self._folder / "whole"
        with whole.open("wb") as stream:
            join(parts, stream)
            stream.flush()
            os.fsync(stream.fileno())
        whole.replace(target)
        _sync_folder(target.parent)
        (self._folder / _SETTINGS).unlink()

    def _part(self, number: int) -> Path:
        return self._folder / f"{number:08}.chunk"

    def _compare(self, settings: dict[str, Any]) -> None:
        try:
            before = json.loads((self._folder / _SETTINGS).read_bytes())
            changed = [key for key, value in settings.items() if before[key] != value]
        except (ValueError, LookupError, TypeError):
            changed = ["its record"]
        if changed:
            raise InputError(
                "The interrupted run cannot be resumed, because this has changed: "
                f"{', '.join(changed)}. Run it as before, or start over without `resume`"
            )


@contextmanager
def open_store(target: Path | BinaryIO) -> Iterator[PartStore]:
    """Lock the parts of an output for this process; a stream's are in a temporary folder.

    Raises:
        RunFolderError: another process writes this output, or its folder cannot be written to.
    """
    if not isinstance(target, Path):
        with TemporaryDirectory(prefix="distillora-") as name:
            yield PartStore(Path(name))
        return
    folder = target.parent / f".{target.name}.parts"
    with _locked(folder, target):
        store = PartStore(folder)
        try:
            yield store
        finally:
            if not store.begun:
                shutil.rmtree(folder, ignore_errors=True)


def _sync_folder(folder: Path) -> None:
    """Make a renaming survive a power failure, on POSIX systems."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _locked(folder: Path, target: Path) -> Iterator[None]:
    try:
        folder.mkdir(exist_ok=True)
    except (FileExistsError, PermissionError) as error:
        raise RunFolderError(
            f"{target}: its folder cannot be written to: {error.strerror}"
        ) from None
    # the system releases it even after kill -9
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise RunFolderError(
            f"{target} is being written by another run. Wait for it, or give another `target`"
        ) from None
    try:
        yield
    finally:
        lock.release()
