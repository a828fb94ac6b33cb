from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from distillora.artifacts import (
    delete_parts,
    explain_full_disk,
    is_sealed,
    lock_folder,
    seal_folder,
    write_atomic,
    write_folder_atomic,
)
from distillora.errors import RunFolderError, StorageError


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "results.json"
    write_atomic(path, "old")
    write_atomic(path, "new")
    assert path.read_text() == "new"
    assert list(path.parent.iterdir()) == [path]


def test_a_write_that_fails_leaves_the_old_folder_and_no_rest(tmp_path: Path) -> None:
    path = tmp_path / "model"
    write_folder_atomic(path, lambda part: (part / "a").write_text("old"))

    def fail(part: Path) -> None:
        (part / "a").write_text("half")
        raise OSError(errno.EIO, "broken")

    with pytest.raises(OSError, match="broken"):
        write_folder_atomic(path, fail)
    assert (path / "a").read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_kill_left_half_written_is_deleted_and_nothing_else(tmp_path: Path) -> None:
    kept = tmp_path / "arms" / "model.part"
    write_atomic(kept, "a user's own file")
    script = (
        "import os, pathlib, sys; from distillora.artifacts import write_folder_atomic\n"
        "def die(part):\n    (part / 'weights').write_text('half'); os.kill(os.getpid(), 9)\n"
        "write_folder_atomic(pathlib.Path(sys.argv[1]) / 'arms' / 'model', die)"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False)
    assert len(list(kept.parent.iterdir())) == 2
    delete_parts(tmp_path)
    assert list(kept.parent.iterdir()) == [kept]


def test_a_sealed_folder_is_complete_until_a_file_changes(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "weights").write_bytes(b"12345678")
    assert not is_sealed(tmp_path)
    seal_folder(tmp_path)
    assert is_sealed(tmp_path)
    (tmp_path / "sub" / "weights").write_bytes(b"1234")
    assert not is_sealed(tmp_path)


def test_a_sealed_folder_that_lost_a_file_is_not_complete(tmp_path: Path) -> None:
    (tmp_path / "optimizer.pt").write_bytes(b"x")
    seal_folder(tmp_path)
    (tmp_path / "optimizer.pt").unlink()
    assert not is_sealed(tmp_path)


def test_a_folder_in_use_is_refused_and_free_again_after_a_kill(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, time, pathlib\n"
            "from distillora.artifacts import lock_folder\n"
            "with lock_folder(pathlib.Path(sys.argv[1])):\n"
            "    print('held', flush=True); time.sleep(60)",
            str(tmp_path),
        ],
        stdout=subprocess.PIPE,
    )
    assert holder.stdout is not None
    holder.stdout.readline()
    with pytest.raises(RunFolderError, match="in use by another run"), lock_folder(tmp_path):
        pass
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    holder.stdout.close()
    time.sleep(0.05)
    with lock_folder(tmp_path):
        pass


def test_an_output_path_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFolderError, match="is a file"), lock_folder(tmp_path / "file"):
        pass


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        RuntimeError("Error while serializing: No space left on device (os error 28)"),
    ],
)
def test_a_full_disk_is_told_as_such_whatever_library_meets_it(
    tmp_path: Path, error: Exception
) -> None:
    with (
        pytest.raises(StorageError, match="run the same command again"),
        explain_full_disk(tmp_path),
    ):
        raise error


def test_other_errors_pass_through(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), explain_full_disk(tmp_path):
        raise ZeroDivisionError
