"""The benchmarks start, and their results become tables."""

from __future__ import annotations

import ast
import json
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPTS = sorted((ROOT / "benchmarks").glob("*.py"))
MEASURING = [
    path
    for path in SCRIPTS
    if path.name not in ("_common.py", "report.py", "synthetic_pairs.py")
]


def run(name, monkeypatch):
    """Run a module of the benchmarks as an import does; return what it defines."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return runpy.run_path(str(ROOT / "benchmarks" / f"{name}.py"))


def make_result(**changes):
    """Make a result as a script writes it."""
    table = {
        "title": "made.csv; ids as numbers",
        "columns": {"method": "", "F1": ".3f", "gallery": ",d"},
        "rows": [
            {"method": "one | two", "F1": 0.87654, "gallery": 4113},
            {"method": "trivial", "F1": 0.25},
        ],
    }
    result = {
        "script": "accuracy",
        "what": "made",
        "command": "python benchmarks/accuracy.py made.csv",
        "date": "2026-01-02T03:04:05+00:00",
        "commit": None,
        "dirty": None,
        "versions": {"python": "3.12.1", "numpy": "2.0.0"},
        "cpu": {"model": "a processor", "cores": 2, "threads": 1},
        "notes": ["A note."],
        "tables": [table],
    }
    return result | changes


@pytest.mark.parametrize(
    "path", [p for p in SCRIPTS if p.name != "_common.py"], ids=lambda path: path.stem
)
def test_every_script_tells_what_it_does(path, monkeypatch, capsys):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    monkeypatch.setattr(sys, "argv", [str(path), "--help"])
    with pytest.raises(SystemExit, match="0"):
        runpy.run_path(str(path), run_name="__main__")
    first_line = ast.get_docstring(ast.parse(path.read_text("utf-8"))).splitlines()[0]
    printed = capsys.readouterr().out
    assert first_line in printed
    assert "--results" in printed


def test_report_renders_the_cells_of_a_result(tmp_path, monkeypatch):
    (tmp_path / "accuracy-made.json").write_text(json.dumps(make_result()), "utf-8")
    page = run("report", monkeypatch)["render"](tmp_path)
    lines = page.splitlines()
    assert lines[0] == "# Results"
    start = lines.index("made.csv; ids as numbers")
    assert lines[start + 2 : start + 6] == [
        "| method     | F1    | gallery |",
        "| ---------- | ----- | ------- |",
        "| one \\| two | 0.877 | 4,113   |",
        "| trivial    | 0.250 |         |",
    ]
    assert "### `python benchmarks/accuracy.py made.csv`" in lines
    assert "A note." in lines
    assert (
        "2026-01-02, measured on an unknown commit. a processor, cores: 2, threads: 1; "
        "python 3.12.1, numpy 2.0.0."
    ) in lines


def test_report_starts_with_the_headline_of_a_result(tmp_path, monkeypatch):
    text = json.dumps(make_result(what="shopee"))
    (tmp_path / "accuracy-shopee.json").write_text(text, "utf-8")
    page = run("report", monkeypatch)["render"](tmp_path)
    headlines = page.partition("## Headlines")[2].partition("\n## ")[0]
    (row,) = [line for line in headlines.splitlines() if line.startswith("| trivial")]
    assert [cell.strip() for cell in row.strip("|").split("|")] == [
        "trivial: itself and the first row",
        "0.250",
        "ids as numbers",
        "an unknown commit",
    ]


def test_a_result_of_older_code_says_so(tmp_path, monkeypatch):
    def git(*words):
        who = ["-c", "user.name=made", "-c", "user.email=made@example.org"]
        command = ["git", "-C", str(tmp_path), *who, *words]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    describe_age = run("report", monkeypatch)["describe_age"]
    ages = []
    try:
        git("init")
    except FileNotFoundError:
        pytest.skip("git is not there")
    for name in ("code.py", "other.py", "code.py"):
        with (tmp_path / name).open("a", encoding="utf-8") as file:
            file.write("# a line\n")
        git("add", "--all")
        git("commit", "--message", name)
        if not ages:
            first = make_result(commit=git("rev-parse", "HEAD"), dirty=False)
        ages.append(describe_age(first, ("code.py",), tmp_path))
    assert ["has changed since" in age for age in ages] == [False, False, True]


def test_the_page_that_is_committed_is_that_of_the_results(monkeypatch):
    """But for how old they are, which changes with each commit."""

    def take_tables(page):
        below = page.partition("\n## ")[2].partition("\n## ")[2]  # the headlines
        return [line for line in below.splitlines() if line.startswith(("|", "###"))]

    page = run("report", monkeypatch)["render"](ROOT / "benchmarks" / "results")
    tables = take_tables(page)
    assert len(tables) > 100
    committed = (ROOT / "benchmarks" / "RESULTS.md").read_text("utf-8")
    assert take_tables(committed) == tables


@pytest.mark.parametrize(
    ("ids", "expected"),
    [("number", "ids as numbers"), ("str", "ids as str")],
)
def test_the_split_sorts_ids(tmp_path, monkeypatch, ids, expected):
    path = tmp_path / "titles.csv"
    rows = [f"title {i},{i}" for i in (2, 9, 10, 11, 30)]
    path.write_text("\n".join(["title,label_group", *rows]), "utf-8")
    split = run("_common", monkeypatch)["read_split"](str(path), ids)
    assert split.ids == expected
    # In the order of str 9 comes last; the last fifth of the products is the gallery.
    last = {"number": "title 30", "str": "title 9"}[ids]
    assert split.test_titles.tolist() == [last]


def test_ids_that_are_not_all_numbers_are_sorted_as_str(tmp_path, monkeypatch):
    path = tmp_path / "titles.csv"
    path.write_text("title,label_group\na,10\nb,9\nc,x\n", "utf-8")
    split = run("_common", monkeypatch)["read_split"](str(path))
    assert split.ids == "ids as str, not all being numbers"
    assert split.labels.tolist() == [0, 1]  # as numbers 9 would be first


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_no_script_reaches_into_skmatch(path):
    tree = ast.parse(path.read_text("utf-8"))
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names += [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            names.append(f"{node.value.id}.{node.attr}")
    of_skmatch = [name.split(".") for name in names if name.split(".")[0] == "skmatch"]
    private = [
        parts
        for parts in of_skmatch
        if any(part.startswith("_") and not part.startswith("__") for part in parts)
    ]
    assert private == []


@pytest.mark.parametrize("path", MEASURING, ids=lambda path: path.stem)
def test_what_a_script_measures_is_there(path, monkeypatch):
    measures = run("report", monkeypatch)["read_script"](path).measures
    assert measures
    assert [name for name in measures if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("path", MEASURING, ids=lambda path: path.stem)
def test_no_script_imports_another(path):
    tree = ast.parse(path.read_text("utf-8"))
    scripts = {script.stem for script in MEASURING}
    imported = {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    assert imported & scripts == set()
