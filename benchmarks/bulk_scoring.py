"""Bulk scoring: rows per second and peak memory of ``score_file``, each size in a new process.

The rows are real comments, again and again until there are enough. ``--most-words`` leaves out the
longer ones: memory does not depend on it, and a million rows take a tenth of the time.

    python benchmarks/bulk_scoring.py --data path/to/goemotions --rows 10000 --rows 100000
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from distillora.artifacts import write_atomic
from distillora.data.sources import read_dataset
from distillora.recipe import Data
from distillora.runtime import describe_environment

# not ru_maxrss, which begins at the peak of the process that started this one
_WORK = """
import json, sys
from pathlib import Path
import distillora
from distillora.inference.bulk import score_file
classifier = distillora.load(sys.argv[1] or None)
summary = score_file(classifier, sys.argv[2], sys.argv[3], text_column="body")
peak = Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]
print(json.dumps({"rows": summary.rows, "failed": summary.failed,
                  "rows_per_second": round(summary.rows / summary.seconds, 1),
                  "peak_megabytes": round(int(peak) * 1024 / 1e6)}))
"""


def write_comments(path: Path, texts: list[str], rows: int) -> None:
    """Write a CSV file of this many comments."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["id", "body"])
        writer.writerows(zip(range(rows), itertools.cycle(texts), strict=False))


def measure(texts: list[str], rows: int, model: str) -> dict[str, Any]:
    """Score a file of this many rows in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "comments.csv", Path(folder) / "scored.csv"
        write_comments(source, texts, rows)
        size = source.stat().st_size
        command = [sys.executable, "-c", _WORK, model, source, target]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return {**found, "input_megabytes": round(size / 1e6, 1)}


def main() -> None:
    """Measure each size, print, and save if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, action="append", help="may be given several times")
    parser.add_argument("--model", default="", help="a bundle; by default the starter model")
    parser.add_argument("--data", default="sample", help="a data folder, or 'sample'")
    parser.add_argument("--most-words", type=int, help="leave out comments of more words")
    parser.add_argument("--save", type=Path, help="write the figures to this JSON file")
    options = parser.parse_args()

    texts = list(read_dataset(Data().moved(options.data)).splits["test"].texts)
    if options.most_words:
        texts = [text for text in texts if len(text.split()) <= options.most_words]
    sizes = []
    for rows in options.rows or [10_000]:
        sizes.append(measure(texts, rows, options.model))
        print(json.dumps(sizes[-1]), flush=True)
    if options.save:
        record = {"most_words": options.most_words, "sizes": sizes}
        record["environment"] = describe_environment("fp32")
        write_atomic(options.save, json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
