"""Render RESULTS.md from the JSON files that the benchmarks wrote.

    python benchmarks/report.py

Starts with the headlines; then each script has a section: its docstring, and of each of
its results the command, the origin, and the tables. A script's ``MEASURES`` are the
paths of the code that it measures: where they have changed since the commit of a
result, the page says so.
"""

from __future__ import annotations

import ast
import json
import re
from argparse import Namespace
from pathlib import Path
from typing import Any, NamedTuple

from _common import HERE, Table, make_parser, make_table, render_table, run_git

INTRODUCTION = """\
# Results

Rendered by `python benchmarks/report.py` from `benchmarks/results/`; change nothing
here by hand. Timings are noisy: compare within a table. `shopee.csv`,
`wdc_lspc_computers_4shops.csv`, `abt_buy.csv` and `amazon_google.csv` are files of real
titles that are not part of skmatch.

A file is split by product: the rows from the 80th percentile of the product numbers on
are the test gallery, whose titles are matched with one another. As in the notebook that
skmatch began as, products are numbered in the order of their ids as numbers; where a
table says "ids as str" (`--ids str`) it is another split of the same size. In
`abt_buy.csv` and `amazon_google.csv` the order of ids means something: their products
are to be shuffled (`--shuffle-products 0`). F1 is row-wise, SE its standard error over
products. "at" is the threshold chosen on training products; "oracle" is the best one
for the test gallery, which nobody knows in use.
"""
SCRIPTS = (
    "accuracy",
    "pair_classifier",
    "labels",
    "title_pairs",
    "errors",
    "thresholds",
    "groups",
    "scale",
    "feed",
    "matching",
    "spark",
    "encoding",
    "explaining",
    "word_vectors",
    "robustness",
)
# Title of the row, name of a result, start of the method.
ACCURACY_HEADLINES = (
    ("trivial: itself and the first row", "accuracy-shopee", "trivial"),
    ("LSTM, settings of the notebook", "accuracy-shopee", "LSTM, settings"),
    ("BERT, settings of the notebook", "accuracy-shopee-all-MiniLM-L6-v2", "BERT, set"),
    ("TF-IDF char_wb(2,4), one threshold", "accuracy-shopee", "TF-IDF"),
    ("LSTMTitleEmbedder, one threshold", "accuracy-shopee", "LSTMTitleEmbedder()"),
    (
        "AdapterBertEmbedder (all-MiniLM-L6-v2), one threshold",
        "accuracy-shopee-all-MiniLM-L6-v2",
        "AdapterBertEmbedder(MODEL)",
    ),
    ("TF-IDF char_wb(2,4), one threshold", "pair_classifier-shopee", "TF-IDF"),
    ("PairClassifierMatcher", "pair_classifier-shopee", "PairClassifierMatcher()"),
    (
        "PairClassifierMatcher with AdapterBertEmbedder",
        "pair_classifier-shopee-embedders",
        "matcher with adapter BERT",
    ),
)
ACCURACY_COLUMNS = {"method": "", "F1": ".3f", "SE": ".3f", "gallery": ",d"}
ACCURACY_COLUMNS |= {"split": "", "measured": ""}
SPEED_HEADLINE = "matching-1000000-rows"
SPEED_COLUMNS = {"method": "", "seconds": ",.1f", "recall": ".5f", "peak MB": ",.0f"}

Result = dict[str, Any]  # as save_result writes it


class Script(NamedTuple):
    """What a script says of itself."""

    title: str
    text: str
    measures: tuple[str, ...]


def read_script(path: Path) -> Script:
    """Read the docstring and ``MEASURES`` of a script, without running it."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    title, _, text = (ast.get_docstring(tree) or "").partition("\n")
    measures = next(
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "MEASURES"
    )
    return Script(title.rstrip("."), text.strip("\n").replace("``", "`"), measures)


def read_results(folder: Path) -> dict[str, Result]:
    """Read the results by name, those with numbers in their names in rising order."""
    results = {
        path.stem: json.loads(path.read_text(encoding="utf-8"))
        for path in folder.glob("*.json")
    }
    return dict(sorted(results.items(), key=lambda item: natural_order(item[0])))


def natural_order(name: str) -> list[tuple[int, str]]:
    """Sort "20-rows" before "100-rows"."""
    return [(int(part or 0), text) for text, part in re.findall(r"(\D*)(\d*)", name)]


def describe_age(result: Result, measures: tuple[str, ...], root: Path) -> str:
    """Say on what commit a result was measured, and whether it is of today's code."""
    commit = result["commit"]
    if commit is None:
        return "measured on an unknown commit"
    text = f"measured on commit {commit[:7]}"
    date = run_git(root, "show", "-s", "--format=%ad", "--date=short", commit)
    if date is not None:
        text += f" of {date}"
    if result["dirty"]:
        text += " with changes that were not committed"
    latest = run_git(root, "log", "-1", "--format=%H", "--", *measures)
    if date is None or not latest:
        return f"{text}; unknown whether the code has changed since"
    if run_git(root, "merge-base", "--is-ancestor", latest, commit) is None:
        return f"{text}; **the code has changed since**"
    return text


def describe_origin(result: Result, age: str) -> str:
    """Say when and where a result was measured, in one paragraph."""
    cpu, versions = result["cpu"], result["versions"]
    packages = ", ".join(f"{name} {version}" for name, version in versions.items())
    threads = cpu["threads"] if cpu["threads"] is not None else "unknown"
    return (
        f"{result['date'][:10]}, {age}. {cpu['model']}, cores: {cpu['cores']}, "
        f"threads: {threads}; {packages or 'versions unknown'}."
    )


def find_rows(result: Result, method: str) -> list[tuple[Table, dict[str, Any]]]:
    """Return the rows of a method, each with its table, one for each table."""
    found = []
    for table in result["tables"]:
        rows = [row for row in table["rows"] if row["method"].startswith(method)]
        found += [(table, row) for row in rows[:1]]
    return found


def render_headlines(results: dict[str, Result], ages: dict[str, str]) -> str:
    """Write the headlines of accuracy and of speed."""
    rows = []
    for title, name, method in ACCURACY_HEADLINES:
        for table, row in find_rows(results[name], method) if name in results else []:
            split = table["title"].partition("; ")[2]
            rows.append(row | {"method": title, "split": split})
            rows[-1]["measured"] = ages[name].removeprefix("measured on ")
    parts = ["## Headlines\n"]
    if rows:
        parts.append(
            render_table(
                make_table(
                    "Row-wise F1 on `shopee.csv`, thresholds from training products:",
                    rows,
                    ACCURACY_COLUMNS,
                )
            )
        )
    if SPEED_HEADLINE in results:
        rows = results[SPEED_HEADLINE]["tables"][0]["rows"]
        title = (
            f"All pairs at a cosine of {rows[0]['threshold']} or more among "
            f"{rows[0]['rows']:,} embeddings of 100 dimensions, one thread, "
            f"{ages[SPEED_HEADLINE]}:"
        )
        parts.append(render_table(make_table(title, rows, SPEED_COLUMNS)))
    return "\n".join(parts)


def render_result(result: Result, age: str) -> str:
    """Write one result."""
    parts = [f"### `{result['command']}`\n", describe_origin(result, age) + "\n"]
    parts += [f"{note}\n" for note in result["notes"]]
    return "\n".join([*parts, *map(render_table, result["tables"])])


def render(folder: Path) -> str:
    """Write the page of all results in a folder."""
    results = read_results(folder)
    scripts = {name: read_script(HERE / f"{name}.py") for name in SCRIPTS}
    ages = {
        name: describe_age(result, scripts[result["script"]].measures, HERE.parent)
        for name, result in results.items()
    }
    parts = [INTRODUCTION, render_headlines(results, ages)]
    for name, script in scripts.items():
        parts.append(f"## {script.title}\n\n{script.text}\n")
        parts += [
            render_result(result, ages[key])
            for key, result in results.items()
            if result["script"] == name
        ]
    return "\n".join(parts)


def main(args: Namespace) -> None:
    """Write the page."""
    args.output.write_text(render(args.results), encoding="utf-8")


if __name__ == "__main__":
    parser = make_parser(__doc__)
    parser.add_argument(
        "--output",
        metavar="FILE",
        type=Path,
        default=HERE / "RESULTS.md",
        help="page that is written (benchmarks/RESULTS.md)",
    )
    main(parser.parse_args())
