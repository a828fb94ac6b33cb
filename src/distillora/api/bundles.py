"""Bundles: export, open, push to the Hub."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from distillora.api.classifier import TextClassifier
from distillora.api.packages import find_bundle, require
from distillora.inference.bundle import Bundle as InferenceBundle
from distillora.inference.bundle import Precision
from distillora.progress import Reporter
from distillora.signals.toxicity import ToxicityRule


class Bundle(InferenceBundle):
    """An exported model: a folder with models, tokenizer, model card and ``bundle.json``.

    >>> import distillora as dl
    >>> bundle = dl.open_run("runs/tickets").recommended.export("bundles/tickets")
    >>> bundle.load().predict("where is my parcel?")[0].label
    'delivery'

    Attributes:
        folder: the bundle's folder.
        manifest: the content of ``bundle.json``: labels, task, thresholds, quality, files.
    """

    def load(
        self,
        *,
        precision: Precision | None = None,
        toxicity: ToxicityRule | None = None,
        threads: int | None = None,
    ) -> TextClassifier:
        """Open the classifier; see ``distillora.load`` for arguments and errors."""
        return TextClassifier(self, precision=precision, toxicity=toxicity, threads=threads)

    def push_to_hub(
        self,
        repo_id: str,
        *,
        private: bool = False,
        revision: str | None = None,
        token: str | None = None,
    ) -> str:
        """Upload the bundle and return its URL; see ``distillora.push_to_hub``."""
        return push_to_hub(self.folder, repo_id, private=private, revision=revision, token=token)


def open_bundle(
    model: str | Path | None = None,
    token: str | None = None,
    notify: Callable[[str], None] | None = None,
) -> Bundle:
    """Open a bundle: a folder, a model on the Hub, or the starter; see ``distillora.load``.

    ``notify`` is called with one line if the Hub is used, or if the name is ambiguous.
    """
    return Bundle.open(find_bundle(model, token, notify))


def export(
    arm: str | Path,
    out: str | Path,
    *,
    int8: bool = True,
    int8_only: bool = False,
    vocabulary: int | None = None,
    overwrite: bool = False,
    force: bool = False,
    license: str | None = None,
    progress: bool = True,
) -> Bundle:
    """Export a trained arm as a bundle: merged weights, ONNX, int8, thresholds, a model card.

    The bundle is checked against the trained model: every validation logit must be within 1e-4,
    and int8 may lose at most 0.005 of accuracy and of macro F1 on validation.

    >>> import distillora as dl
    >>> dl.export("runs/tickets/arms/odd/seed-0", "bundles/tickets").manifest.task
    'single_label'

    Args:
        arm: the folder of a finished arm, ``RUN/arms/ARM/seed-N``.
        out: the folder of the bundle.
        int8: add an int8 model: a quarter of the size, and faster.
        int8_only: write the int8 model only, without fp32 files.
        vocabulary: cut a WordPiece vocabulary to this many tokens: those in the training texts
            first, then the most frequent ones.
        overwrite: replace an existing bundle in ``out``.
        force: keep an export that fails the check; its card says so.
        license: the model's licence, one of the Hub's identifiers, such as ``mit``; by default the
            card names none.
        progress: show the progress on standard error or in the notebook.

    Raises:
        ExportError: the export fails the check; nothing is written.
        RunFolderError: ``arm`` is not a finished arm with an encoder, or ``out`` contains other
            files, or a bundle that must not be overwritten.
        IntegrityError: weights, data and results of the run do not match.
        InputError: packages are missing.
    """
    require("train", "torch", "transformers", "onnx", "onnxscript")
    from distillora.exporting import ExportOptions, export_arm

    options = ExportOptions(
        int8=int8,
        int8_only=int8_only,
        vocabulary=vocabulary,
        license=license,
        force=force,
        overwrite=overwrite,
    )
    folder = Path(out).expanduser()
    manifest = export_arm(Path(arm).expanduser(), folder, options, Reporter(quiet=not progress))
    return Bundle(folder, manifest)


def push_to_hub(
    folder: str | Path,
    repo_id: str,
    *,
    private: bool = False,
    revision: str | None = None,
    token: str | None = None,
) -> str:
    """Upload a bundle to the Hugging Face Hub; after an interruption, call it again.

    >>> import distillora as dl
    >>> dl.push_to_hub("bundles/tickets", "owner/tickets", private=True)
    'https://huggingface.co/owner/tickets'

    Args:
        folder: the bundle's folder.
        repo_id: ``owner/name``; the repository is created if it does not exist.
        private: create a private repository; an existing public one is refused.
        revision: a branch, created from ``main`` if it does not exist; by default ``main``.
        token: by default the one that ``huggingface_hub`` finds: HF_TOKEN, or else the token
            saved by ``hf auth login``.

    Returns:
        The URL of the model.

    Raises:
        BundleError: the folder is not a bundle, or ``repo_id`` is not a valid name.
        IntegrityError: a file of the bundle is damaged or missing; nothing is uploaded.
        HubError: no token, no permission, or the Hub refuses the upload.
        OfflineError: the Hub cannot be reached.
    """
    from distillora.hub import push_bundle

    return push_bundle(
        Path(folder).expanduser(), repo_id, private=private, revision=revision, token=token
    )
