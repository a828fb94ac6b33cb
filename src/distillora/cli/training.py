"""The commands that train and compare."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from distillora.cli.base import app, require
from distillora.cli.datasets import (
    PLACES,
    PLACES_HELP,
    ConfigOption,
    LabelColumn,
    LabelSeparator,
    PlaceOption,
    RevisionOption,
    SplitColumn,
    TaskOption,
    TextColumn,
    choose_recipe,
    run_folder,
)
from distillora.errors import RunFolderError


@app.command()
def compare(
    recipe: Annotated[
        str | None,
        typer.Option(
            help="A recipe of distillora by its name, or a YAML file.  [default: "
            "goemotions-minilm; your-data with data of your own]"
        ),
    ] = None,
    data: PlaceOption = None,
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
    label_separator: LabelSeparator = None,
    split_column: SplitColumn = None,
    task: TaskOption = None,
    config: ConfigOption = None,
    revision: RevisionOption = None,
    override: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Change one setting, e.g. arms.lora.tuning.rank=16."
        ),
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(min=1, help="How many seeds, counted from 0.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="The run's folder.  [default: runs/RECIPE-NAME]")
    ] = None,
    jobs: Annotated[
        int,
        typer.Option(min=1, help="Train this many arms at a time, each in a process of its own."),
    ] = 1,
    retrain_changed: Annotated[
        bool,
        typer.Option(
            "--retrain-changed",
            help="Where the run's folder holds arms that were made from other data or settings, "
            "train exactly these again, and those that depend on them. The run's results and "
            "report are deleted first, the old models once the run is complete again.",
        ),
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Print the plan (arms, layers, parameters, steps) and stop. Of a run that is "
            "there already: which arms are finished, which changed and why, and what "
            "--retrain-changed would train.",
        ),
    ] = False,
) -> None:
    """Distil, LoRA-tune and compare: train every arm of a recipe and write the report.

    Run the same command again after an interruption: it goes on where it stopped. Arms that were
    made from other data or settings are not reused: the command stops and says what changed.
    """
    _require_training()
    keys = {
        **{"text_column": text_column, "label_column": label_column},
        **{"label_separator": label_separator, "split_column": split_column},
        **{"hub_config": config, "hub_revision": revision},
    }
    chosen = choose_recipe(
        recipe, data, keys, override or [], seeds=seeds, task=task, out=out, resume=True
    )
    folder = run_folder(out, chosen.name)
    from distillora.pipeline import compare as run_compare
    from distillora.pipeline import show_plan

    if dry_run:
        Console().print(show_plan(chosen, folder))
        return
    from distillora.progress import Reporter
    from distillora.report import summary_table

    quiet = os.environ.get("RANK", "0") != "0"
    results = run_compare(
        chosen, folder, Reporter(quiet=quiet), jobs, retrain_changed=retrain_changed
    )
    if results is not None:
        Console().print(summary_table(results))
        typer.echo(f"Report: {folder / 'report.html'} (and report.md, results.json)")


@app.command()
def data(
    source: Annotated[
        str, typer.Argument(metavar=PLACES, help=f"The data set to look at: {PLACES_HELP}")
    ],
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
    label_separator: LabelSeparator = None,
    split_column: SplitColumn = None,
    config: ConfigOption = None,
    revision: RevisionOption = None,
    override: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="One setting, e.g. data.split_seed=1."),
    ] = None,
    taxonomy: Annotated[
        str, typer.Option(help="Labels to count: goemotions, ekman or sentiment.")
    ] = "goemotions",
    save: Annotated[
        Path | None, typer.Option(help="Write the audit to this file, as JSON.")
    ] = None,
) -> None:
    """Audit a data set: rows, labels, lengths, duplicates, texts shared between splits."""
    _require_training()
    from distillora.pipeline import audit_source

    keys = {
        **{"text_column": text_column, "label_column": label_column},
        **{"label_separator": label_separator, "split_column": split_column},
        **{"hub_config": config, "hub_revision": revision},
    }
    overrides = [f"data.taxonomy={taxonomy}", *(override or [])]
    chosen = choose_recipe(None, source, keys, overrides)
    audit, table = audit_source(chosen)
    Console().print(table)
    if save is not None:
        from distillora.artifacts import write_atomic

        write_atomic(save, audit.model_dump_json(indent=1))
        typer.echo(f"Audit: {save}")


@app.command()
def measure(
    run: Annotated[Path, typer.Argument(help="The folder of a finished run, with its models.")],
) -> None:
    """Measure again how fast the models of a run are, and write its report anew.

    Close what else is running first: the result says so if the machine was busy.
    """
    _require_training()
    from distillora.pipeline import measure_again
    from distillora.progress import Reporter
    from distillora.report import summary_table

    _check_run(run, "measure")
    Console().print(summary_table(measure_again(run, Reporter())))
    typer.echo(f"Report: {run / 'report.html'} (and report.md, results.json)")


@app.command()
def report(
    run: Annotated[Path, typer.Argument(help="The folder of a run, with its results.json.")],
) -> None:
    """Make the report of a run again, from its results alone.

    Weights, predictions and data that are still in the folder must be those of the results.
    """
    _require_training()
    from distillora.progress import Reporter
    from distillora.report import write_report

    _check_run(run, "report")
    typer.echo(f"Report: {write_report(run, Reporter().warn)}")


def _check_run(path: Path, command: str) -> None:
    """Refuse what stands in a run's folder in place of the folder.

    Raises:
        RunFolderError: it names the folder.
    """
    if (path / "results.json").is_file():
        return
    for folder in path.parents:
        if path.exists() and (folder / "results.json").is_file():
            raise RunFolderError(
                f"{path} is inside a run's folder. Give the folder itself: "
                f"distillora {command} {folder}"
            )
    if path.is_file():
        raise RunFolderError(f"{path} is a file. Give the folder of a run.")


def _require_training() -> None:
    require("train", "torch", "transformers", "peft")
