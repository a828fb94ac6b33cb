"""Bundles: made of a trained arm, opened, pushed to the Hub."""

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
    """The folder that ships: models, tokenizer, model card and ``bundle.json``, its manifest.

    >>> import distillora as dl
    >>> bundle = dl.open_run("runs/tickets").recommended.export("bundles/tickets")
    >>> bundle.load().predict("where is my parcel?")[0].label
    'delivery'

    Attributes:
        folder: where it is.
        manifest: what ``bundle.json`` says: labels, task, thresholds, quality, files.
    """

    def load(
        self,
        *,
        precision: Precision | None = None,
        toxicity: ToxicityRule | None = None,
        threads: int | None = None,
    ) -> TextClassifier:
        """Return its classifier; see ``distillora.load`` for arguments and errors."""
        return TextClassifier(self, precision=precision, toxicity=toxicity, threads=threads)

    def push_to_hub(
        self,
        repo_id: str,
        *,
        private: bool = False,
        revision: str | None = None,
        token: str | None = None,
    ) -> str:
        """Upload it and return its URL; see ``distillora.push_to_hub``."""
        return push_to_hub(self.folder, repo_id, private=private, revision=revision, token=token)


def open_bundle(
    model: str | Path | None = None,
    token: str | None = None,
    notify: Callable[[str], None] | None = None,
) -> Bundle:
    """Open a bundle: a folder, a model on the Hub, or the starter; see ``distillora.load``.

    ``notify`` receives one line if the Hub is asked, or if both could have been meant.
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
    """Make a bundle of a trained arm: merged weights, ONNX, int8, thresholds, a model card.

    It is only written if it computes what the trained model does: every validation logit within
    1e-4, and in int8 at most 0.005 of accuracy and macro F1 lost on validation.

    >>> import distillora as dl
    >>> dl.export("runs/tickets/arms/odd/seed-0", "bundles/tickets").manifest.task
    'single_label'

    Args:
        arm: the folder of a finished arm, ``RUN/arms/ARM/seed-N``.
        out: the folder of the bundle.
        int8: add an int8 model: a quarter of the size, faster.
        int8_only: ship int8 alone, without the files in fp32.
        vocabulary: cut a WordPiece vocabulary to this many tokens: those of the training texts,
            then the most frequent.
        overwrite: replace a bundle that is in ``out``.
        force: keep an export that does not pass; its card says so.
        license: of the model, as the Hub writes it (``mit``); without it the card names none.
        progress: show what is done, on standard error or in the notebook.

    Raises:
        ExportError: the export does not pass, by how much; nothing is written.
        RunFolderError: ``arm`` is not a finished arm with an encoder, or ``out`` is in use.
        IntegrityError: weights, data or results of the run do not belong together.
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
    """Upload a bundle to the Hugging Face Hub; an interrupted upload can be repeated.

    >>> import distillora as dl
    >>> dl.push_to_hub("bundles/tickets", "owner/tickets", private=True)
    'https://huggingface.co/owner/tickets'

    Args:
        folder: of the bundle.
        repo_id: ``owner/name``; created if there is none.
        private: create a private repository, and refuse one that is public already.
        revision: a branch, created from ``main`` if there is none; by default ``main``.
        token: by default what ``huggingface_hub`` finds: HF_TOKEN, then ``hf auth login``.

    Returns:
        The URL of the model.

    Raises:
        BundleError: the folder is not a bundle, or ``repo_id`` no name of a repository.
        IntegrityError: a file of the bundle is damaged or missing; nothing is uploaded.
        HubError: no token, no permission, or the Hub refuses the upload.
        OfflineError: the Hub cannot be reached.
    """
    from distillora.hub import push_bundle

    return push_bundle(
        Path(folder).expanduser(), repo_id, private=private, revision=revision, token=token
    )
