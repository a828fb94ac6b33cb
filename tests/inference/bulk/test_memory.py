"""Memory does not grow with the file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PEAK = """
import sys
from pathlib import Path
from distillora.inference.bulk import score_file
from distillora.inference.classifier import TextClassifier
classifier = TextClassifier.load(sys.argv[1], threads=1)
score_file(classifier, sys.argv[2], sys.argv[3], text_column="body")
# not ru_maxrss, which begins at the peak of the process that started this one
print(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
"""


def peak_mebibytes(bundle: Path, source: Path, target: Path) -> int:
    command = [sys.executable, "-c", PEAK, *map(str, (bundle, source, target))]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(done.stdout) // 1024


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("target", ["csv", "parquet"])
def test_four_times_the_rows_need_no_more_memory(
    tmp_path: Path, tiny_bundle: Path, target: str
) -> None:
    peaks = []
    for rows in (4_000, 16_000):
        source = tmp_path / f"{rows}.csv"
        with source.open("w") as stream:
            stream.write("id,body,note\n")
            stream.writelines(f"{i},w5 w{i % 200} w7,{f'{i} ' * 3000}\n" for i in range(rows))
        peaks.append(peak_mebibytes(tiny_bundle, source, tmp_path / f"out-{rows}.{target}"))
    # the larger file has 270 MB, 210 MB more than the smaller; allocators differ by tens
    assert peaks[1] - peaks[0] < 100, peaks
