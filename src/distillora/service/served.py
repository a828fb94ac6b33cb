"""The models that a worker serves."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from distillora.inference.bundle import Bundle
from distillora.inference.classifier import TextClassifier
from distillora.service.batching import Batcher
from distillora.service.errors import ServiceError
from distillora.service.settings import ServiceSettings


@dataclass(frozen=True)
class ServedModel:
    """A model with its name and the queue before it."""

    name: str
    classifier: TextClassifier
    batcher: Batcher


class ServedModels:
    """The models of a worker, opened when it starts and again on a signal."""

    def __init__(self, settings: ServiceSettings) -> None:
        self._settings = settings
        self._models: dict[str, ServedModel] = {}

    @property
    def ready(self) -> bool:
        """Whether every model is open and warm."""
        return bool(self._models)

    @property
    def names(self) -> list[str]:
        """Their names; the first one is the default."""
        return list(self._settings.models)

    def get(self, name: str | None = None) -> ServedModel:
        """Return a model, by default the first.

        Raises:
            ServiceError: 404 if the name is unknown; 503 while the models are opened.
        """
        if not self.ready:
            raise ServiceError(503, "Unhealthy", "The models are being loaded.")
        if name is None:
            name = self.names[0]
        if name not in self._models:
            known = ", ".join(self.names)
            raise ServiceError(404, "NotFound", f"Unknown model. Choose one of: {known}")
        return self._models[name]

    async def open(self) -> None:
        """Open every bundle and warm it up; requests go to the old models until that is done.

        Raises:
            BundleError, IntegrityError: a bundle cannot be used; the old models stay.
        """
        classifiers = await asyncio.to_thread(
            _open_bundles, self._settings.models, self._settings.threads
        )
        limits = self._settings.limits
        old = self._models
        self._models = {
            name: ServedModel(
                name,
                classifier,
                Batcher(classifier, queue=limits.queue, batch_tokens=limits.batch_tokens),
            )
            for name, classifier in classifiers.items()
        }
        await _close(old.values())

    async def close(self) -> None:
        """Answer what waits, then stop."""
        await _close(self._models.values())


async def _close(models: Iterable[ServedModel]) -> None:
    await asyncio.gather(*(model.batcher.close() for model in models))


def _open_bundles(folders: Mapping[str, Path], threads: int) -> dict[str, TextClassifier]:
    classifiers = {}
    for name, folder in folders.items():
        classifier = TextClassifier(Bundle.open(folder), threads=threads)
        classifier.predict(["warm up", "a longer text, to warm up the model with"])
        classifiers[name] = classifier
    return classifiers
