"""The examples of the gallery run as scripts, as a reader who copies them runs them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parents[1] / "docs" / "examples").glob("plot_*.py"))


def test_there_are_examples():
    assert len(EXAMPLES) >= 13


@pytest.mark.slow
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs_warns_of_nothing_and_leaves_no_file(path, tmp_path):
    pytest.importorskip("matplotlib")
    here, temporary = tmp_path / "here", tmp_path / "temporary"
    here.mkdir()
    temporary.mkdir()
    settings = {"MPLBACKEND": "Agg", "OMP_NUM_THREADS": "1", "TMPDIR": str(temporary)}
    settings["TORCHINDUCTOR_CACHE_DIR"] = str(tmp_path / "torch")  # torch makes it
    root = str(path.parents[2])
    searched = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, "-W", "error", str(path)],
        cwd=here,
        env=os.environ | settings | {"PYTHONPATH": searched},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout
    assert [*here.iterdir(), *temporary.iterdir()] == []
