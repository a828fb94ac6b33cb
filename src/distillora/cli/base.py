"""The command line's entry point, its error messages and its output."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer
from rich.console import Console, RenderableType

from distillora import __version__
from distillora.errors import DistilloraError, rename_settings
from distillora.progress import ignore_known_warnings

app = typer.Typer(
    help="Train small, fast text classifiers: distil a transformer into fewer layers, fine-tune "
    "with LoRA, compare them on your data, and see which differences the data supports.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


# setting, as messages name it -> command-line option
_OPTIONS = {
    "columns": "--columns",
    "data": "--data",
    "force": "--force",
    "jobs": "--jobs",
    "label": "--label-column",
    "label_column": "--label-column",
    "label_separator": "--label-separator",
    "out": "--out",
    "prefix": "--prefix",
    "preview": "--dry-run",
    "recipe": "--recipe",
    "resume": "--resume",
    "retrain_changed": "--retrain-changed",
    "source_format": "--format",
    "revision": "--revision",
    "seeds": "--seeds",
    "source": "--data",
    "split": "--split-column",
    "split_column": "--split-column",
    "strict": "--strict",
    "target": "--output",
    "target_format": "--output-format",
    "text": "--text-column",
    "text_column": "--text-column",
    "toxicity": "--toxic-emotions",
    "vocabulary": "--vocabulary",
    # as distillora.compare words them
    'settings={"data.drop_incomplete": True}': "--set data.drop_incomplete=true",
    'source="sample"': "--data sample",
}


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"distillora {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    pass


def say(line: str) -> None:
    """Write a line to standard error."""
    typer.echo(line, err=True)


def show(renderable: RenderableType) -> None:
    """Print to standard output, with settings named as command-line options."""
    console = Console()
    with console.capture() as printed:
        console.print(renderable)
    sys.stdout.write(rename_settings(printed.get(), _OPTIONS))


def main() -> None:
    """Run the command line; exit with 2 for a user's mistake and with 1 for a failure."""
    # transformers prints many lines about the Hub; we print one
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    ignore_known_warnings()
    try:
        app()
    except DistilloraError as error:
        error.rename_settings(_OPTIONS)
        Console(stderr=True, highlight=False, soft_wrap=True).print(
            "[bold red]error:[/bold red] ", end=""
        )
        print(error, file=sys.stderr)
        raise SystemExit(error.exit_code) from None
    except KeyboardInterrupt:
        print("\nStopped. Run the same command again to continue.", file=sys.stderr)
        raise SystemExit(130) from None
