"""distillora: train small, fast text classifiers, and see which differences the data supports.

>>> import distillora as dl
>>> results = dl.compare("tickets.csv", text="text", label="label", out="runs/tickets")
>>> bundle = results.recommended.export("bundles/tickets")
>>> bundle.load().predict("thanks a lot!")[0].label
'praise'
>>> dl.load().predict("thanks a lot!")[0].label  # the starter model
'gratitude'
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from distillora.api.arm import Arm as Arm
    from distillora.api.bundles import Bundle as Bundle
    from distillora.api.bundles import export as export
    from distillora.api.bundles import push_to_hub as push_to_hub
    from distillora.api.classifier import TextClassifier as TextClassifier
    from distillora.api.classifier import load as load
    from distillora.api.classifier import predict_file as predict_file
    from distillora.api.comparing import audit as audit
    from distillora.api.comparing import compare as compare
    from distillora.api.comparing import preview as preview
    from distillora.api.results import Results as Results
    from distillora.api.results import open_run as open_run
    from distillora.errors import DistilloraError as DistilloraError
    from distillora.inference.classifier import Prediction as Prediction
    from distillora.inference.explain import explain as explain
    from distillora.signals.toxicity import ToxicityRule as ToxicityRule

__version__ = "0.1.0"

# imported on first use: `import distillora` loads no library
_PUBLIC = {
    "Arm": "distillora.api.arm",
    "Bundle": "distillora.api.bundles",
    "DistilloraError": "distillora.errors",
    "Prediction": "distillora.inference.classifier",
    "Results": "distillora.api.results",
    "TextClassifier": "distillora.api.classifier",
    "ToxicityRule": "distillora.signals.toxicity",
    "audit": "distillora.api.comparing",
    "compare": "distillora.api.comparing",
    "explain": "distillora.inference.explain",
    "export": "distillora.api.bundles",
    "load": "distillora.api.classifier",
    "open_run": "distillora.api.results",
    "predict_file": "distillora.api.classifier",
    "preview": "distillora.api.comparing",
    "push_to_hub": "distillora.api.bundles",
}

__all__ = [
    "Arm",
    "Bundle",
    "DistilloraError",
    "Prediction",
    "Results",
    "TextClassifier",
    "ToxicityRule",
    "audit",
    "compare",
    "explain",
    "export",
    "load",
    "open_run",
    "predict_file",
    "preview",
    "push_to_hub",
]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'distillora' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
