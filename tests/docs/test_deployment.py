"""What the deployment page and the Dockerfile say passes the linters of those who run it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from docs.test_commands import blocks

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "deploy.md"


def test_the_dockerfile_passes_its_linter() -> None:
    program = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([program, ROOT / "Dockerfile"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_kubernetes_manifests_fit_their_schemas() -> None:
    (block,) = blocks(PAGE, "yml")
    kinds = []
    for manifest in yaml.safe_load_all(block):
        kubernetes_validate.validate(manifest, "1.30", strict=True)
        kinds.append(manifest["kind"])
    assert kinds == ["Secret", "Deployment", "Service"]


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")
def test_the_systemd_unit_passes_its_linter(tmp_path: Path) -> None:
    (block,) = blocks(PAGE, "ini")
    unit = tmp_path / "distillora.service"
    # the linter wants the program to be there
    unit.write_text(block.replace("/usr/local/bin/distillora", "/bin/true"))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True
    )
    ours = [line for line in done.stderr.splitlines() if "distillora" in line]
    assert not ours, done.stderr
