"""The published figures of the original study, shown next to ours.

They were measured with another protocol, so they are for orientation and not a baseline.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain

from distillora.data.labels import EKMAN
from distillora.evaluation.results import Results

PROTOCOL = (
    "The published figures are from github.com/Tooba26/A7_DISTILL_vs_LORA and used another "
    "protocol: its notebooks chose the best epoch on the test set, never fine-tuned the teacher, "
    "and started ‘even’ from DistilBERT’s own layers, each mapped onto itself. They are for "
    "orientation only and are not a baseline."
)


_LABELS = tuple(chain.from_iterable(EKMAN.values()))


@dataclass(frozen=True)
class PublishedRow:
    """One arm of the original study, on the GoEmotions test set.

    Attributes:
        arm: the name of the corresponding arm here.
        accuracy, f1_weighted: in [0, 1], on the test set.
        validation_loss: cross-entropy in nats.
        trainable, total: parameter counts.
        seconds: training time for 3 epochs.
    """

    arm: str
    accuracy: float
    f1_weighted: float
    validation_loss: float
    trainable: int
    total: int
    seconds: int


PUBLISHED = (
    PublishedRow("lora", 0.5294, 0.4861, 1.5785, 759_580, 67_734_584, 7 * 60 + 52),
    PublishedRow("odd", 0.5720, 0.5574, 1.4384, 66_975_004, 66_975_004, 16 * 60 + 2),
    PublishedRow("even", 0.5777, 0.5671, 1.3893, 66_975_004, 66_975_004, 16 * 60 + 20),
)


def uses_sample(results: Results) -> bool:
    """Whether the data is the bundled sample."""
    return bool(results.recipe.get("data", {}).get("source") == "sample")


def is_goemotions(results: Results) -> bool:
    """Whether the data is GoEmotions, with grouped labels or not.

    The bundled sample has the same labels but is not GoEmotions, and a table may contain anything.
    """
    data = results.data
    if results.recipe.get("data", {}).get("source") in ("table", "dataframe", "sample"):
        return False
    return data.taxonomy != "goemotions" or set(data.labels) == set(_LABELS)


def published_rows(results: Results) -> tuple[PublishedRow, ...]:
    """Return the published figures if this run has the same task, and otherwise nothing.

    The task is GoEmotions with its 28 labels, one class per text.
    """
    data = results.data
    same = is_goemotions(results) and set(data.labels) == set(_LABELS)
    return PUBLISHED if same and data.task == "single_label" else ()
