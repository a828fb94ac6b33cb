"""The commands of a run: ``compare``, ``data``, ``measure`` and ``report``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from distillora.cli.base import app, show
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
    read_settings,
)

if TYPE_CHECKING:
    from distillora.api.results import Results


@app.command()
def compare(
    recipe: Annotated[
        str | None,
        typer.Option(
            help="Name of a bundled recipe, or a YAML file. By default goemotions-minilm, or "
            "your-data for your own data."
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
        int | None, typer.Option(min=1, help="Number of seeds, counted from 0.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="The run's folder. By default runs/ and the name of the recipe."),
    ] = None,
    jobs: Annotated[
        int,
        typer.Option(min=1, help="Train this many arms at once, each in its own process."),
    ] = 1,
    retrain_changed: Annotated[
        bool,
        typer.Option(
            "--retrain-changed",
            help="Retrain the arms whose data or settings have changed, and those that depend on "
            "them. The run's results and report are deleted first; the old models are deleted "
            "when the run is complete again.",
        ),
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Print the plan (arms, layers, parameters, steps) and stop. For an existing run, "
            "also list which arms are finished, which have changed and why, and what "
            "--retrain-changed would train.",
        ),
    ] = False,
) -> None:
    """Train every arm of a recipe, compare them and write the report.

    After an interruption, run the same command again: it continues where it stopped. Arms that
    were trained on other data or settings are not reused: the command stops and says what changed.
    """
    from distillora.api import comparing

    options: dict[str, Any] = {
        **{"recipe": recipe, "text": text_column, "label": label_column, "split": split_column},
        **{"label_separator": label_separator, "task": task, "seeds": seeds, "out": out},
        "settings": read_settings(override, config, revision),
    }
    if dry_run:
        show(comparing.preview(data, **options))
        return
    results = comparing.compare(data, **options, jobs=jobs, retrain_changed=retrain_changed)
    if not comparing.is_helper():
        _print_results(results)


@app.command()
def data(
    source: Annotated[str, typer.Argument(metavar=PLACES, help=f"The data set: {PLACES_HELP}")],
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
    label_separator: LabelSeparator = None,
    split_column: SplitColumn = None,
    config: ConfigOption = None,
    revision: RevisionOption = None,
    override: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Change one setting, e.g. data.split_seed=1."
        ),
    ] = None,
    taxonomy: Annotated[
        str, typer.Option(help="Labels for GoEmotions: goemotions, ekman or sentiment.")
    ] = "goemotions",
    save: Annotated[Path | None, typer.Option(help="Write the audit to this file as JSON.")] = None,
) -> None:
    """Audit a data set: rows, labels, lengths, duplicates, texts shared between splits."""
    from distillora.api import comparing
    from distillora.data.audit import format_audit

    audit = comparing.audit(
        source,
        text=text_column,
        label=label_column,
        label_separator=label_separator,
        split=split_column,
        settings={
            "data.taxonomy": taxonomy,
            **read_settings(override, config, revision),
        },
    )
    show(format_audit(audit))
    if save is not None:
        from distillora.artifacts import write_atomic

        write_atomic(save, audit.model_dump_json(indent=1))
        typer.echo(f"Audit: {save}")


@app.command()
def measure(
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="The folder of a finished run, with its models.")
    ],
) -> None:
    """Measure the speed of a run's models again, and rewrite its report.

    Close other programs first: the report says if the machine was busy.
    """
    from distillora.api.results import open_run

    _print_results(open_run(run).measure())


@app.command()
def report(
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="The folder of a run, with its results.json.")
    ],
) -> None:
    """Write the report of a run again, from its results.

    Weights, predictions and data in the folder must match the results.
    """
    from distillora.api.results import open_run

    typer.echo(f"Report: {open_run(run).write_report()}")


def _print_results(results: Results) -> None:
    show(results)
    typer.echo(f"Report: {results.report} (and report.md, results.json)")
