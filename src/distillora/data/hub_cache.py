"""What the cache of ``datasets`` holds of a data set of the Hub, which no network is needed for."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from distillora.recipe import Data

_COMMIT = re.compile("[0-9a-f]{40}")
# what `datasets` calls the only configuration of a data set that names none
_UNNAMED = "default"


def cached_builder(data: Data) -> Any | None:
    """Return a builder that reads exactly this commit from the cache, None if it is not there."""
    if data.hub_revision is None:
        return None
    builder = _builder(data, data.hub_revision)
    return builder if Path(builder.cache_dir).is_dir() else None


def describe_cache(data: Data) -> str:
    """Say which commits of the data set the cache holds and how to read them; "" if none."""
    # root/configuration/version/commit
    root = Path(_builder(data, "0" * 40).cache_dir).parents[2]
    held = [path for path in root.glob("*/*/*") if _COMMIT.fullmatch(path.name) and path.is_dir()]
    newest_first = sorted(held, key=lambda path: path.stat().st_mtime, reverse=True)
    options = [_options(path.parts[-3], path.name) for path in newest_first]
    ways = " or ".join(f"`{one}`" for one in dict.fromkeys(options))
    return f"What was downloaded before is read without network: {ways}." if ways else ""


def _options(config: str, commit: str) -> str:
    named = f"--config {config} " if config != _UNNAMED else ""
    return f"{named}--revision {commit}"


def _builder(data: Data, commit: str) -> Any:
    # here, since it takes seconds to import and most commands never ask the Hub
    from datasets.packaged_modules.cache.cache import Cache

    return Cache(
        repo_id=data.hub_id,
        dataset_name=data.hub_id.split("/")[-1],
        config_name=data.hub_config or _UNNAMED,
        hash=commit,
    )
