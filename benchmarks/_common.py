"""What the benchmarks share: command line, data, scores, timing, tables and results."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple, Self

import joblib
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import precision_recall_curve
from sklearn.preprocessing import normalize

import skmatch
from skmatch import (
    ClassDisjointKFold,
    FaissThresholdMatcher,
    LSTMTitleEmbedder,
    TunedThresholdMatcherCV,
    clustered_standard_error,
)

HERE = Path(__file__).parent
THRESHOLDS = np.arange(0.10, 1.0, 0.01).round(2)
PACKAGES = ("numpy", "scipy", "scikit-learn", "torch", "faiss-cpu", "faiss-gpu")

# Splits of a file, where they have names of their own.
SPLITS = {"pairs_wdc_products": ("train_medium", "valid_medium", "test_seen")}

Sides = tuple[pd.DataFrame, pd.DataFrame]  # the left and the right side of pairs
Table = dict[str, Any]  # {"title": str, "columns": {name: format}, "rows": [{...}]}


# The command line


def make_parser(doc: str | None) -> argparse.ArgumentParser:
    """Make the parser of a script, with its docstring as the help."""
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--results",
        metavar="FOLDER",
        type=Path,
        default=HERE / "results",
        help="folder that the JSON file is written to (benchmarks/results)",
    )
    return parser


def add_split_options(
    parser: argparse.ArgumentParser, choices: Sequence[str] = ("number", "str")
) -> None:
    """Add the options of :func:`read_split`."""
    parser.add_argument(
        "--ids",
        choices=choices,
        default="number",
        help="how product ids are sorted before the last fifth becomes the test "
        "gallery; as numbers only where all of them are (number)",
    )
    parser.add_argument(
        "--shuffle-products",
        metavar="SEED",
        type=int,
        help="shuffle the products instead, where the order of ids means something",
    )


# Data


class Split(NamedTuple):
    """Titles and labels of the training products and of the test products."""

    titles: NDArray[Any]  # (n_train,) object
    labels: NDArray[np.intp]  # (n_train,)
    test_titles: NDArray[Any]  # (n_test,) object
    test_labels: NDArray[np.intp]  # (n_test,)
    ids: str  # how products were sorted: "ids as numbers", "ids as str", ...


def read_split(path: str, ids: str = "number", seed: int | None = None) -> Split:
    """Split a file with the columns ``title`` and ``label_group`` by product.

    Products are numbered in the order of their ids, or with a seed in one drawn at
    random. The rows from the 80th percentile of these numbers on are the test gallery.
    """
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    titles = table["title"].to_numpy(dtype=object)
    products, order = table["label_group"].to_numpy(dtype=object), "ids as str"
    if ids == "number":
        try:
            products, order = products.astype(np.int64), "ids as numbers"
        except (ValueError, OverflowError):
            order = "ids as str, not all being numbers"
    labels = np.unique(products, return_inverse=True)[1]
    if seed is not None:
        labels = np.random.default_rng(seed).permutation(labels.max() + 1)[labels]
        order = f"products shuffled, seed {seed}"
    is_test = labels >= np.percentile(labels, 80)
    return Split(
        titles[~is_test], labels[~is_test], titles[is_test], labels[is_test], order
    )


def describe_split(path: str, split: Split) -> str:
    """Say in one line what a file was split into."""
    return (
        f"{Path(path).name}: {len(split.titles):,} training titles of "
        f"{len(np.unique(split.labels)):,} products, test gallery of "
        f"{len(split.test_titles):,} titles of "
        f"{len(np.unique(split.test_labels)):,} products; {split.ids}"
    )


def read_sides(table: pd.DataFrame, attributes: list[str]) -> Sides:
    """Return the attributes of the left and of the right side."""
    left, right = (
        table[[f"{name}_{side}" for name in attributes]].set_axis(attributes, axis=1)
        for side in ("left", "right")
    )
    return left, right


def read_parts(
    path: str, attributes: list[str]
) -> tuple[list[Sides], list[NDArray[Any]]]:
    """Return attributes and answers of the training, the valid and the test pairs."""
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    splits = SPLITS.get(Path(path).stem, ("train", "valid", "test"))
    parts = [table[table["split"] == split] for split in splits]
    sides = [read_sides(part, attributes) for part in parts]
    return sides, [part["label"].to_numpy() == "1" for part in parts]


def hold_out(split: Split) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the training rows to fit on, and those to choose a threshold on."""
    folds = ClassDisjointKFold(4, shuffle=True, random_state=0)
    return next(folds.split(split.titles, split.labels))


# Embedders and scores


def make_tfidf() -> TfidfVectorizer:
    """Make the baseline."""
    return TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True)


def make_lstm() -> LSTMTitleEmbedder:
    """Make the default embedder."""
    return LSTMTitleEmbedder(random_state=0)


def tune(embeddings: Any, labels: Any) -> TunedThresholdMatcherCV:
    """Score each threshold on a gallery."""
    matcher = FaissThresholdMatcher().fit(embeddings)
    return TunedThresholdMatcherCV(matcher, cv="prefit", thresholds=THRESHOLDS).fit(
        embeddings, labels
    )


def summarise(
    scores: NDArray[Any], labels: NDArray[Any], baseline: NDArray[Any] | None = None
) -> dict[str, Any]:
    """Return the mean of the scores of rows, its error, and the gain on a baseline."""
    row = {"F1": scores.mean(), "SE": clustered_standard_error(scores, labels)}
    row["gallery"] = len(labels)
    if baseline is not None:
        gain = scores - baseline
        error = clustered_standard_error(gain, labels)
        row["gain"] = f"{gain.mean():+.3f} ± {error:.3f}"
    return row


def best_f1(is_match: NDArray[Any], scores: NDArray[Any]) -> tuple[float, float]:
    """Return the best threshold and its F1."""
    precision, recall, thresholds = precision_recall_curve(is_match, scores)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-9)
    best = int(f1[:-1].argmax())
    return float(thresholds[best]), float(f1[best])


# Drawn vectors


def make_vectors(kind: str, n_rows: int) -> np.ndarray:
    """Draw clustered unit vectors of 100 dimensions."""
    rng = np.random.default_rng(0)
    n_directions = {"struct": 20, "iso": 100}[kind]
    spread = rng.normal(size=(n_directions, 100)).astype(np.float32)
    centres = rng.normal(size=(n_rows // 3, n_directions)).astype(np.float32) @ spread
    normalize(centres, copy=False)
    rows = centres[rng.integers(len(centres), size=n_rows)]
    rows += np.float32(0.02) * rng.standard_normal(rows.shape, dtype=np.float32)
    return normalize(rows, copy=False)


class VectorsOfFile(TransformerMixin, BaseEstimator):
    """Embeds a title that is the number of a row as that row of a .npy file."""

    def __init__(self, path: str) -> None:
        self.path = path

    def fit(self, X: Any, y: Any = None) -> Self:
        """Take the file as it is."""
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Return the rows of the file: (n_titles, n_features)."""
        return np.load(self.path, mmap_mode="r")[np.asarray(X).astype(np.int64)]

    def __sklearn_is_fitted__(self) -> bool:
        return True


# Timing


def fastest(
    *calls: Callable[[], Any], n_turns: int = 3
) -> tuple[list[float], list[Any]]:
    """Time calls in alternation; return the fewest seconds of each, its last result."""
    seconds, results = [np.inf] * len(calls), [None] * len(calls)
    for _ in range(n_turns):
        for i, call in enumerate(calls):
            began = time.perf_counter()
            results[i] = call()
            seconds[i] = min(seconds[i], time.perf_counter() - began)
    return seconds, results


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    """Return the seconds of a single call, and its result."""
    (seconds,), (result,) = fastest(call, n_turns=1)
    return seconds, result


def resident_mb() -> float:
    """Return the resident set of this process, in MB (on Linux)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


class PeakMemory:
    """Watch the resident set while a block runs; `mb` is its peak above the start."""

    def __enter__(self) -> PeakMemory:
        self._before, self.mb = resident_mb(), 0.0
        self._is_done = threading.Event()
        self._watcher = threading.Thread(target=self._watch)
        self._watcher.start()
        return self

    def _watch(self) -> None:
        while not self._is_done.wait(0.01):
            self.mb = max(self.mb, resident_mb() - self._before)

    def __exit__(self, *_: object) -> None:
        self._is_done.set()
        self._watcher.join()


def say(text: str) -> None:
    """Tell how far a long run is."""
    print(text, file=sys.stderr, flush=True)


# Tables and results


def make_table(
    title: str, rows: Sequence[dict[str, Any]], columns: dict[str, str]
) -> Table:
    """Make a table of some columns of rows; `columns` has the format of each."""
    kept = [{name: row[name] for name in columns if name in row} for row in rows]
    return {"title": title, "columns": columns, "rows": kept}


def render_table(table: Table) -> str:
    """Write a table in Markdown, with its title above; empty columns are left out."""
    columns = {
        name: spec
        for name, spec in table["columns"].items()
        if any(name in row for row in table["rows"])
    }
    lines = [list(columns)] + [
        [
            format(row[name], spec).replace("|", r"\|") if name in row else ""
            for name, spec in columns.items()
        ]
        for row in table["rows"]
    ]
    widths = [max(3, *map(len, column)) for column in zip(*lines, strict=True)]
    lines.insert(1, ["-" * width for width in widths])
    text = "\n".join(
        f"| {' | '.join(map(str.ljust, line, widths))} |" for line in lines
    )
    return f"{table['title']}\n\n{text}\n" if table["title"] else f"{text}\n"


def save_result(
    args: argparse.Namespace,
    what: str,
    tables: Sequence[Table],
    notes: Sequence[str] = (),
) -> None:
    """Print tables, and write them to ``<script>-<what>.json`` with their origin."""
    script = Path(sys.argv[0]).stem
    result = {
        "script": script,
        "what": what,
        "command": describe_command(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        **find_commit(Path(skmatch.__file__).parent),
        "versions": find_versions(),
        "cpu": {
            "model": find_cpu(),
            "cores": joblib.cpu_count(),
            "threads": int(os.environ.get("OMP_NUM_THREADS", joblib.cpu_count())),
        },
        "notes": list(notes),
        "tables": list(tables),
    }
    args.results.mkdir(parents=True, exist_ok=True)
    path = args.results / f"{script}-{what}.json"
    text = json.dumps(result, indent=1, ensure_ascii=False, default=to_python)
    path.write_text(text + "\n", encoding="utf-8")
    print("\n".join([*notes, "", *map(render_table, tables)]), flush=True)


def to_python(value: Any) -> Any:
    """Turn a number of numpy into one that JSON knows."""
    return value.item()


def describe_command() -> str:
    """Return the command that runs this script, without the folders of its files."""
    words = [Path(word).name if os.sep in word else word for word in sys.argv[1:]]
    command = shlex.join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *words])
    threads = os.environ.get("OMP_NUM_THREADS")
    return f"OMP_NUM_THREADS={threads} {command}" if threads else command


def run_git(folder: Path, *words: str) -> str | None:
    """Return what git says in a folder; None where it fails or is not there."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *words],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def find_commit(folder: Path) -> dict[str, Any]:
    """Return the commit of the code in a folder, and whether it has been changed."""
    changes = run_git(folder, "status", "--porcelain", "--", ".")
    return {
        "commit": run_git(folder, "rev-parse", "HEAD"),
        "dirty": None if changes is None else bool(changes),
    }


def find_versions() -> dict[str, str]:
    """Return the versions of Python, skmatch and the packages that it stands on."""
    versions = {"python": platform.python_version(), "skmatch": skmatch.__version__}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return versions


def find_cpu() -> str:
    """Return the name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":")[1].strip() for line in lines if "model name" in line]
    return names[0] if names else platform.machine()
