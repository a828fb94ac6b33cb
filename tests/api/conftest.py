"""A recipe that the tests of the API share."""

from __future__ import annotations

from typing import Any

import pytest

Values = dict[str, Any]
BASELINE = {"floor": {"init": {"baseline": "tfidf"}}}


@pytest.fixture
def light_recipe() -> Values:
    """A recipe that leaves the data open and trains in milliseconds."""
    return {"name": "light", "arms": BASELINE}
