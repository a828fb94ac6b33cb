"""The commands ``export`` and ``push``: make a bundle of a trained arm, and publish it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from distillora.cli.base import app


@app.command()
def export(
    arm: Annotated[
        Path, typer.Argument(metavar="ARM", help="A finished arm: runs/RUN/arms/ARM/seed-N.")
    ],
    out: Annotated[Path, typer.Option(help="Write the bundle to this folder.")],
    int8: Annotated[
        bool, typer.Option("--int8", help="Add an int8 model: a quarter of the size, and faster.")
    ] = False,
    int8_only: Annotated[
        bool, typer.Option("--int8-only", help="Write the int8 model only, without fp32 files.")
    ] = False,
    vocabulary: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="TOKENS",
            help="Cut a WordPiece vocabulary to this many tokens: those in the training texts "
            "first, then the most frequent ones.",
        ),
    ] = None,
    license: Annotated[
        str | None,
        typer.Option(
            metavar="ID",
            help="Licence of the model, one of the Hub's identifiers (mit, apache-2.0, other, "
            "...). By default the card names none.",
        ),
    ] = None,
    force: Annotated[
        bool,
        typer.Option("--force", help="Keep an export that fails the check; its card says so."),
    ] = False,
) -> None:
    """Export a trained arm as a bundle: merged weights, ONNX, thresholds, a model card.

    The export is checked against the trained model: every validation logit must be within 1e-4,
    and int8 may lose at most 0.005 of accuracy and of macro F1 on validation. An export that
    fails is not written.
    """
    from distillora.api.bundles import export as make_bundle

    manifest = make_bundle(
        arm,
        out,
        int8=int8,
        int8_only=int8_only,
        vocabulary=vocabulary,
        license=license,
        force=force,
        overwrite=True,
    ).manifest
    for precision, splits in manifest.quality.items():
        for split, quality in splits.items():
            typer.echo(
                f"{precision} {split}: accuracy {quality.accuracy:.4f}, "
                f"macro F1 {quality.f1_macro:.4f}, weighted F1 {quality.f1_weighted:.4f}"
            )
    size = sum(record.bytes for record in manifest.files.values()) / 1e6
    typer.echo(f"Bundle: {out} ({size:.1f} MB)")


@app.command()
def push(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="The folder of a bundle.")],
    repository: Annotated[
        str, typer.Argument(metavar="OWNER/NAME", help="The repository on the Hugging Face Hub.")
    ],
    private: Annotated[
        bool,
        typer.Option("--private", help="Create the repository as private."),
    ] = False,
    revision: Annotated[
        str | None, typer.Option(metavar="BRANCH", help="Push to this branch instead of main.")
    ] = None,
) -> None:
    """Upload a bundle to the Hugging Face Hub.

    Log in first with `hf auth login`, or set HF_TOKEN. The bundle's checksums are verified before
    anything is uploaded. After an interruption, run the same command again: files that have
    arrived are not sent again.
    """
    from distillora.api.bundles import push_to_hub

    url = push_to_hub(bundle, repository, private=private, revision=revision)
    typer.echo(f"Model: {url}")
