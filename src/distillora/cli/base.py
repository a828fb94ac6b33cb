"""The command line's frame: its options, its errors, what a command may ask for."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer
from rich.console import Console

from distillora import __version__
from distillora.errors import DistilloraError
from distillora.progress import ignore_known_warnings

app = typer.Typer(
    help="Make a small, fast text classifier out of a large one, by distillation or LoRA, "
    "and see with evidence which to ship.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


# what the settings that messages name are called here
_OPTIONS = {
    "columns": "--columns",
    "data": "--data",
    "force": "--force",
    "jobs": "--jobs",
    "label": "--label-column",
    "label_column": "--label-column",
    "out": "--out",
    "prefix": "--prefix",
    "preview": "--dry-run",
    "resume": "--resume",
    "retrain_changed": "--retrain-changed",
    "source_format": "--format",
    "revision": "--revision",
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


def main() -> None:
    """Run the command line; a mistake of the user's exits with 2, a failure with 1."""
    # transformers talks to the Hub in many lines of its own; ours says it in one
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
        print("\nStopped. Run the same command again to go on from here.", file=sys.stderr)
        raise SystemExit(130) from None
