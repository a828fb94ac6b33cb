"""distillora: make a small text classifier out of a large one, and see which way is best.

>>> import distillora
>>> classifier = distillora.load()
>>> classifier.predict("thanks a lot!")[0].label
'gratitude'
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from distillora.inference.classifier import Prediction as Prediction
    from distillora.inference.classifier import TextClassifier as TextClassifier
    from distillora.inference.explain import explain as explain
    from distillora.signals.toxicity import ToxicityRule as ToxicityRule

__version__ = "0.1.0"

# found when first asked for: `import distillora` loads no library
_PUBLIC = {
    "TextClassifier": "distillora.inference.classifier",
    "Prediction": "distillora.inference.classifier",
    "ToxicityRule": "distillora.signals.toxicity",
    "explain": "distillora.inference.explain",
}

__all__ = ["Prediction", "TextClassifier", "ToxicityRule", "explain", "load"]


def load(path: Any = None, **options: Any) -> TextClassifier:
    """Open a bundle, or the starter model; see ``TextClassifier.load``."""
    from distillora.inference.classifier import TextClassifier

    return TextClassifier.load(path, **options)


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'distillora' has no attribute '{name}'")
