"""The commands that make a bundle of a trained arm and publish it: ``export`` and ``push``."""

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
    out: Annotated[Path, typer.Option(help="The folder of the bundle.")],
    int8: Annotated[
        bool, typer.Option("--int8", help="Add an int8 model: a quarter of the size, faster.")
    ] = False,
    int8_only: Annotated[
        bool, typer.Option("--int8-only", help="Ship int8 alone, without the files in fp32.")
    ] = False,
    vocabulary: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="TOKENS",
            help="Cut a WordPiece vocabulary to this many tokens: those of the training texts, "
            "then the most frequent.",
        ),
    ] = None,
    license: Annotated[
        str | None,
        typer.Option(
            metavar="ID",
            help="The licence of the model, as the Hub writes it (mit, apache-2.0, other, ...); "
            "without it the card names none.",
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Keep an export that does not pass; its card says so.")
    ] = False,
) -> None:
    """Make a bundle of a trained arm: merged weights, ONNX, int8, thresholds, a model card.

    The export stands only if it computes what the trained model does: every validation logit
    within 1e-4, and in int8 at most 0.005 of accuracy and macro-F1 lost on validation.
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
        str, typer.Argument(metavar="OWNER/NAME", help="The model on the Hugging Face Hub.")
    ],
    private: Annotated[
        bool,
        typer.Option("--private", help="Only you and your organization can see the model."),
    ] = False,
    revision: Annotated[
        str | None, typer.Option(metavar="BRANCH", help="Push to this branch instead of main.")
    ] = None,
) -> None:
    """Upload a bundle to the Hugging Face Hub.

    Log in first with `hf auth login`, or set HF_TOKEN. The checksums of the bundle are verified
    before anything is uploaded. Run the same command again after an interruption: it goes on
    where it stopped.
    """
    from distillora.api.bundles import push_to_hub

    url = push_to_hub(bundle, repository, private=private, revision=revision)
    typer.echo(f"Model: {url}")
