"""Whether an arm's recorded result still counts, or the arm must be scored anew."""

from __future__ import annotations

from typing import NamedTuple

from distillora.errors import IntegrityError
from distillora.evaluation.predictions import has_recorded_checksum
from distillora.evaluation.results import ArmResult
from distillora.pipeline.bench import Workbench
from distillora.pipeline.fingerprint import EVALUATION_CODE
from distillora.pipeline.record import BeginningRecord
from distillora.pipeline.schedule import Task


class FoundResult(NamedTuple):
    """The result of an arm that counts; else None and, where there is one, why it does not."""

    result: ArmResult | None
    why_anew: str = ""


def find_result(bench: Workbench, task: Task) -> FoundResult:
    """Return the result of the arm that a folder holds now.

    One that is torn, was left by an ensemble of this name, or belongs to other weights does not
    count; neither does one whose predictions are gone or changed, or which another version of the
    evaluation code made.
    """
    folder = bench.folder(*task)
    try:
        result = ArmResult.model_validate_json(folder.result.read_bytes())
        begun = BeginningRecord.read(folder)
    except FileNotFoundError:
        return FoundResult(None)
    except (OSError, ValueError, IntegrityError):
        return FoundResult(None, "its result cannot be read")
    if result.fingerprint != begun.fingerprint:
        return FoundResult(None, "its result is that of another model")
    if not has_recorded_checksum(bench.layout.root, result):
        return FoundResult(None, "its predictions are gone, or changed after they were written")
    if result.evaluation_code != EVALUATION_CODE:
        return FoundResult(None, _describe_version(result.evaluation_code))
    return FoundResult(result)


def _describe_version(made: int | None) -> str:
    by = "an earlier version" if made is None else f"version {made}"
    return f"its result was made by {by} of the evaluation code, which is now {EVALUATION_CODE}"
