"""Imports point down only, package by package, and heavy ones wait for use."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import skmatch

FOLDER = Path(skmatch.__file__).parent
# What each package may import besides itself. A package imports those below it.
LEVELS = [
    {"__init__", "__main__"},
    {"cli"},
    {"distributed"},
    {"catalogue", "plotting", "tables"},
    {"matchers"},
    {"pairs"},
    {"graph", "embedders"},
    {"search", "evaluation", "datasets"},
    {"titles"},
    {"persistence", "_documented", "_fitting", "_matrices", "_numbers", "_progress"},
]
STRANGERS = {
    "search": {"torch", "pytorch_metric_learning", "gensim"},
    "graph": {"torch", "faiss", "nltk", "gensim"},
    "titles": {"torch", "faiss"},
    "pairs": {"torch", "faiss"},
    "evaluation": {"torch", "faiss", "gensim"},
    "persistence": {"faiss", "nltk"},
    "matchers": {"torch", "gensim"},
    "distributed": {"torch", "faiss", "gensim", "pandas"},
    "cli": {"torch", "faiss", "gensim", "pandas"},
    "tables": {"torch", "faiss", "gensim", "pandas"},
    "plotting": {"torch", "faiss", "gensim", "pandas", "networkx"},
    "embedders/_networks": {"sklearn", "numpy", "faiss"},
    "embedders/_training": {"sklearn", "faiss", "gensim"},
}
MODULES = sorted(
    path.relative_to(FOLDER).with_suffix("").as_posix() for path in FOLDER.rglob("*.py")
)


def imported(module):
    """Return all that a module imports, at its top and inside its functions."""
    names = set()
    for node in ast.walk(ast.parse((FOLDER / f"{module}.py").read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively"
            names.add(node.module)
    return names


def package_of(module):
    return module.removeprefix("skmatch.").replace(".", "/").split("/")[0]


def test_every_package_has_a_level():
    assert {package_of(module) for module in MODULES} == set().union(*LEVELS)


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_down(module):
    package = package_of(module)
    level = next(n for n, packages in enumerate(LEVELS) if package in packages)
    below = set().union(*LEVELS[level + 1 :])
    own = {package_of(n) for n in imported(module) if n.startswith("skmatch")}
    assert own <= below | {package}, module


@pytest.mark.parametrize("package", STRANGERS)
def test_a_package_does_not_know(package):
    modules = [m for m in MODULES if m == package or m.startswith(f"{package}/")]
    assert modules
    for module in modules:
        roots = {name.split(".")[0] for name in imported(module)}
        assert not STRANGERS[package] & roots, module


def test_import_is_light_and_changes_nothing():
    code = """
import random, sys, warnings
import numpy as np
import sklearn.metrics  # scikit-learn sets a filter for its own deprecations
before = random.getstate(), np.random.get_state()[1].tolist(), warnings.filters[:]
import skmatch, skmatch.plotting
after = random.getstate(), np.random.get_state()[1].tolist(), warnings.filters[:]
assert before == after
heavy = {"torch", "gensim", "nltk", "pytorch_metric_learning", "transformers"}
heavy |= {"faiss", "matplotlib", "pyspark", "tqdm", "typer"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_public_names_are_sorted_and_there():
    assert skmatch.__all__ == sorted(skmatch.__all__)
    assert all(hasattr(skmatch, name) for name in skmatch.__all__)
