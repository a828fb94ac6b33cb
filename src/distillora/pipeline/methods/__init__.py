"""The methods of making a classifier, by the key of ``init`` that asks for each.

To add one, write a module with ``plan``, ``train`` and ``load`` (see ``pipeline/method.py``) and
enter it here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from distillora.pipeline.context import RunContext
from distillora.pipeline.method import LoadedArm, Method
from distillora.pipeline.methods import encoder, ensemble, tfidf
from distillora.recipe import Arm

METHODS: Mapping[str, Method[Any]] = {
    "backbone": encoder,
    "classifier": encoder,
    "arm": encoder,
    "baseline": tfidf,
    "ensemble": ensemble,
}


def method_of(arm: Arm) -> Method[Any]:
    """Return the method that makes an arm: that of the one origin which its ``init`` gives."""
    return next(METHODS[key] for key in METHODS if getattr(arm.init, key) is not None)


def load_arm(context: RunContext, name: str) -> LoadedArm:
    """Load a finished arm, at the context's seed, from disk; see ``Method.load``."""
    plan = context.plans[name]
    return method_of(plan.arm).load(context, plan)
