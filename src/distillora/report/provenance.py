"""The origin of the figures: the audit of the data, and the code and machine of the run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import yaml

from distillora.data.audit import AuditRecord, LengthRecord, SplitAudit
from distillora.data.labels import are_emotions
from distillora.evaluation.results import ArmEnvironment, ArmResult, Environment, Results
from distillora.report import formats
from distillora.report.charts import class_figure
from distillora.report.formats import MISSING, Block, Cell, Code, Table, Text
from distillora.report.tables import origin_table

_Line = tuple[str, Callable[[SplitAudit], str]]


def audit_blocks(results: Results) -> tuple[Block, ...]:
    """Return the audit of each split, and which rows were left out."""
    audit = results.data.audit
    dropped = results.data.dropped_from_train
    shared = [f"{rows:,} rows of {pair}" for pair, rows in audit.shared_texts.items()]
    texts = (
        f"Source: {results.data.source}. {_taxonomy(results)}{len(results.data.labels)} labels.",
        f"Texts in more than one split: {formats.name_list(shared) or 'none'}. "
        f"Training rows left out because their text is in validation or test: {dropped:,}.",
    )
    extra = [
        f"Unlabelled texts from {path} for the teachers to label: {record.describe()}."
        for path, record in results.data.extra_text.items()
    ]
    lines = (*texts, *audit.warnings, *extra)
    return (*map(Text, lines), _split_table(results), class_figure(audit))


def _taxonomy(results: Results) -> str:
    # only emotions have taxonomies
    return f"Taxonomy: {results.data.taxonomy}, " if are_emotions(results.data.labels) else ""


def origin_blocks(results: Results) -> tuple[Block, ...]:
    """Return everything needed to repeat the run, and notes on how far to trust it."""
    data, environment = results.data, results.environment
    hashes = [
        (f"{split} ({data.rows.get(split, 0):,} rows)", h) for split, h in data.sha256.items()
    ]
    hashes += [
        (f"{path} ({extra.rows:,} texts)", extra.sha256) for path, extra in data.extra_text.items()
    ]
    weights = [(f"{run.name}, seed {run.seed}", run.weights_sha256) for run in results.arms]
    return (
        Text(_seed_note(results)),
        *map(Text, _mixed_origins(results.arms)),
        origin_table(results),
        *_made_by(results.arms),
        _pairs("Code and machine of the results", _environment(environment)),
        _pairs("Packages", list(environment.packages.items()), folded=True),
        _pairs("SHA-256 of the data, as used", hashes, folded=True),
        _pairs("SHA-256 of the weights that were evaluated", weights, folded=True),
        Code("The recipe, every setting written out", _recipe_yaml(results)),
    )


def _split_table(results: Results) -> Table:
    audit = results.data.audit
    splits = audit.splits.values()
    lengths = _LENGTHS if any(split.lengths for split in splits) else ()
    rows: list[tuple[Cell, ...]] = [_used(results, audit)]
    for name, tell in (*_LINES, *_label_lines(audit), *lengths):
        rows.append((Cell(name), *(Cell(tell(split)) for split in splits)))
    note = "Lengths are in tokens, including special ones, before truncation."
    return Table("The data", ("", *audit.splits), tuple(rows), note)


def _label_lines(audit: AuditRecord) -> list[_Line]:
    """Return one line for each number of labels per row."""

    def line(labels: int) -> _Line:
        name = f"Rows with {labels} label{'' if labels == 1 else 's'}"
        return name, lambda split: formats.count(split.labels_per_row.get(labels, 0))

    return [line(n) for n in sorted({n for s in audit.splits.values() for n in s.labels_per_row})]


def _used(results: Results, audit: AuditRecord) -> tuple[Cell, ...]:
    used = (results.data.rows.get(split) for split in audit.splits)
    return (Cell("Rows used in this run"), *(Cell(_or_missing(rows)) for rows in used))


def _length(read: Callable[[LengthRecord], float]) -> Callable[[SplitAudit], str]:
    return lambda split: MISSING if split.lengths is None else f"{read(split.lengths):,.0f}"


_LINES: tuple[_Line, ...] = (
    ("Rows audited", lambda split: formats.count(split.rows)),
    ("Rows that repeat an earlier text", lambda split: formats.count(split.duplicate_texts)),
    ("Empty texts", lambda split: formats.count(split.empty_texts)),
    ("Rows with odd characters", lambda split: formats.count(split.odd_characters)),
)
_LENGTHS: tuple[_Line, ...] = (
    ("Length, mean", _length(lambda lengths: lengths.mean)),
    ("Length, median", _length(lambda lengths: lengths.p50)),
    ("Length, 95th percentile", _length(lambda lengths: lengths.p95)),
    ("Length, 99th percentile", _length(lambda lengths: lengths.p99)),
    ("Length, longest", _length(lambda lengths: lengths.longest)),
    ("Texts truncated", _length(lambda lengths: lengths.truncated)),
)


def _made_by(runs: Sequence[ArmResult]) -> list[Table]:
    """Return the code and machine that trained each arm, if they were recorded."""
    rows = tuple(
        (
            Cell(f"{run.name}, seed {run.seed}"),
            Cell(_commit(made)),
            Cell(f"{made.device}, {made.precision}"),
            Cell(_sharing(made)),
            Cell(f"{made.created} to {made.ended}"),
            Cell(run.fingerprint.digest[:12] if run.fingerprint else MISSING),
        )
        for run in runs
        if (made := run.environment)
    )
    header = ("Arm", "Commit", "Device, precision", "Threads and jobs", "Trained", "Fingerprint")
    caption = "Code and machine of each arm"
    return [Table(caption, header, rows, words=True, folded=True)] if rows else []


def _commit(made: ArmEnvironment) -> str:
    commit = (made.commit or MISSING)[:12] + (" with uncommitted changes" if made.dirty else "")
    return f"{commit}, started at {made.begun_at_commit[:12]}" if made.begun_at_commit else commit


def _sharing(made: ArmEnvironment) -> str:
    processes = f"{made.processes} processes of " if made.processes > 1 else ""
    beside = f", {made.jobs} arms at once" if made.jobs > 1 else ""
    return f"{processes}{made.threads} thread{'s' if made.threads > 1 else ''}{beside}"


def _mixed_origins(runs: Sequence[ArmResult]) -> list[str]:
    """Name the arms whose code or machine differs from most of the run."""
    known = [(run, run.environment) for run in runs if run.environment]
    if not known:
        return ["This run did not record which code and machine trained each arm."]
    aspects: dict[str, Callable[[ArmEnvironment], object]] = {
        "by another commit": lambda made: (made.commit, made.dirty, made.begun_at_commit),
        "on another device": lambda made: made.device,
        "in another precision": lambda made: made.precision,
        "with another number of jobs or threads": lambda made: (
            made.jobs, made.threads, made.processes,
        ),
    }  # fmt: skip
    notes = []
    for how, read in aspects.items():
        # the precision of a baseline does not depend on that of the encoders
        own = [(run, read(made)) for run, made in known if run.is_encoder or "precision" not in how]
        most = Counter(value for _, value in own).most_common(1)
        other = [f"{run.name}, seed {run.seed}" for run, value in own if value != most[0][0]]
        if other:
            notes.append(f"Trained {how} than most of the run: {formats.name_list(other)}.")
    return notes


def _seed_note(results: Results) -> str:
    seeds = sorted({run.seed for run in results.arms})
    listed = formats.name_list([str(seed) for seed in seeds])
    if len(seeds) == 1:
        return (
            f"Seed: {listed}. A difference on the test texts may still be due to chance with this "
            "one seed."
        )
    return (
        f"Seeds: {listed}. Figures are means over the seeds of each arm, ± their sample standard "
        "deviation."
    )


def _environment(environment: Environment) -> list[tuple[str, str]]:
    state = {True: " with uncommitted changes", False: "", None: ""}[environment.dirty]
    return [
        ("Created", environment.created),
        ("distillora", environment.distillora),
        ("Commit", (environment.commit or MISSING) + state),
        ("Python", environment.python),
        ("Platform", environment.platform),
        ("Processor", f"{environment.processor}, {environment.cores} cores"),
        ("Memory", formats.size(environment.memory_bytes)),
        ("Trained on", f"{environment.device}, {environment.precision}"),
        ("Processes", formats.count(environment.processes)),
    ]


def _pairs(caption: str, pairs: list[tuple[str, str]], folded: bool = False) -> Table:
    rows = tuple((Cell(name), Cell(value)) for name, value in pairs)
    return Table(caption, ("What", "Value"), rows, words=True, folded=folded)


def _recipe_yaml(results: Results) -> str:
    return yaml.safe_dump(results.recipe, sort_keys=False, allow_unicode=True, width=100)


def _or_missing(rows: int | None) -> str:
    return MISSING if rows is None else formats.count(rows)
