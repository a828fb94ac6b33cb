"""A finished run that the tests of this folder copy, made once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from identity import Made, copy_run, make_run, quick_stages


@pytest.fixture(scope="module")
def quick_ends() -> Iterator[None]:
    with quick_stages():
        yield


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Made:
    with quick_stages():
        return make_run(tmp_path_factory.mktemp("identity"))


@pytest.fixture
def again(finished: Made, tmp_path: Path) -> Made:
    """A copy of the finished run."""
    return copy_run(finished, tmp_path / "copy")
