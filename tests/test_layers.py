"""Imports point one way, along the flow of the data, and heavy ones wait for use."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import skmatch

FOLDER = Path(skmatch.__file__).parent
# A module may import those before it. The scores know no other module, so that the
# embedders can watch them while they train.
FLOW = [
    "_metrics",
    "_model_selection",
    "_datasets",
    "_titles",
    "_word_vectors",
    "_modules",
    "_losses",
    "_training",
    "_embedders",
    "_backbones",
    "_openvino",
    "_bert_embedder",
    "_cells",
    "_neighbours",
    "_faiss_index",
    "_match_graph",
    "_matching",
    "_threshold",
    "_candidates",
    "_score_graph",
    "_blending",
    "_quantities",
    "_pair_features",
    "_word_weights",
    "_pairs",
    "_decisions",
    "_rescoring",
    "_groups",
    "__init__",
]
ONLY_TORCH = {"torch", "typing", "__future__"}


def imported(name):
    """Return all that a module imports, at its top and inside its functions."""
    names = set()
    for node in ast.walk(ast.parse((FOLDER / f"{name}.py").read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} imports relatively"
            names.add(node.module)
    return names


def test_flow_names_every_module():
    assert sorted(FLOW) == sorted(path.stem for path in FOLDER.glob("*.py"))


@pytest.mark.parametrize("name", FLOW)
def test_imports_point_back_along_the_flow(name):
    own = {
        n.removeprefix("skmatch.") for n in imported(name) if n.startswith("skmatch")
    }
    assert own <= set(FLOW[: FLOW.index(name)])


@pytest.mark.parametrize(
    ("name", "strangers"),
    [
        ("_matching", {"torch", "pytorch_metric_learning", "gensim"}),
        ("_neighbours", {"torch", "sklearn"}),
        ("_training", {"sklearn", "faiss", "gensim"}),
        ("_titles", {"torch", "faiss"}),
        ("_pair_features", {"torch", "faiss", "sklearn"}),
    ],
)
def test_a_module_does_not_know(name, strangers):
    assert not strangers & {module.split(".")[0] for module in imported(name)}


def test_the_network_knows_torch_only():
    assert {module.split(".")[0] for module in imported("_modules")} <= ONLY_TORCH


def test_import_is_light_and_changes_nothing():
    code = """
import random, sys, warnings
import numpy as np
import faiss, sklearn.metrics  # scikit-learn sets a filter for its own deprecations
before = random.getstate(), np.random.get_state()[1].tolist(), warnings.filters[:]
import skmatch
after = random.getstate(), np.random.get_state()[1].tolist(), warnings.filters[:]
assert before == after
heavy = {"torch", "gensim", "nltk", "pytorch_metric_learning", "transformers"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_public_names_are_sorted_and_there():
    assert skmatch.__all__ == sorted(skmatch.__all__)
    assert all(hasattr(skmatch, name) for name in skmatch.__all__)
