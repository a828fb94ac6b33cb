"""Which checkpoint training goes on from."""

from __future__ import annotations

from pathlib import Path

import pytest

from distillora.artifacts import seal_folder
from distillora.training.checkpoints import Clock, last_complete_checkpoint, read_clock


def write_checkpoint(folder: Path, step: int, *, sealed: bool = True) -> Path:
    checkpoint = folder / f"checkpoint-{step}"
    checkpoint.mkdir(parents=True)
    (checkpoint / "model.safetensors").write_bytes(bytes(range(256)) * 40)
    (checkpoint / "optimizer.pt").write_bytes(b"state" * 100)
    (checkpoint / "clock.json").write_text('{"total": 2.5, "epochs": [2.5], "examples": 80}')
    if sealed:
        seal_folder(checkpoint)
    return checkpoint


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def change(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_the_newest_is_found_by_its_number_not_by_its_name(tmp_path: Path) -> None:
    for step in (50, 1000, 200):
        write_checkpoint(tmp_path, step)
    assert last_complete_checkpoint(tmp_path) == tmp_path / "checkpoint-1000"


@pytest.mark.parametrize("damage", [cut, change, Path.unlink])
@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.pt", "manifest.json"])
def test_a_torn_one_is_deleted_and_the_one_before_it_taken(
    name: str, damage, tmp_path: Path
) -> None:
    write_checkpoint(tmp_path, 50)
    good = write_checkpoint(tmp_path, 100)
    torn = write_checkpoint(tmp_path, 150)
    damage(torn / name)
    assert last_complete_checkpoint(tmp_path) == good
    assert not torn.exists()
    assert (tmp_path / "checkpoint-50").exists()


def test_one_without_manifest_was_never_complete(tmp_path: Path) -> None:
    good = write_checkpoint(tmp_path, 50)
    incomplete = write_checkpoint(tmp_path, 100, sealed=False)
    assert last_complete_checkpoint(tmp_path) == good
    assert not incomplete.exists()


def test_several_bad_ones_in_a_row_are_skipped(tmp_path: Path) -> None:
    good = write_checkpoint(tmp_path, 50)
    cut(write_checkpoint(tmp_path, 100) / "optimizer.pt")
    write_checkpoint(tmp_path, 150, sealed=False)
    assert last_complete_checkpoint(tmp_path) == good
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-50"]


def test_where_none_is_complete_training_begins_anew(tmp_path: Path) -> None:
    assert last_complete_checkpoint(tmp_path) is None
    assert last_complete_checkpoint(tmp_path / "not there") is None
    write_checkpoint(tmp_path, 50, sealed=False)
    assert last_complete_checkpoint(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_other_folders_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "checkpoint-notes").mkdir()
    (tmp_path / "runs").mkdir()
    assert last_complete_checkpoint(tmp_path) is None
    assert len(list(tmp_path.iterdir())) == 2


def test_the_clock_goes_on_from_the_checkpoint(tmp_path: Path) -> None:
    clock = read_clock(write_checkpoint(tmp_path, 50))
    assert (clock.total, clock.epochs, clock.examples) == (2.5, [2.5], 80)
    assert read_clock(None) == Clock()
