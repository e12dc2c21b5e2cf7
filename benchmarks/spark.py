"""Time of skmatch.distributed on Spark against one process, and the same pairs.

    python benchmarks/spark.py [--sizes N ...] [--data DATA.csv]

Drawn rows: clusters of about three unit vectors of 100 dimensions, as "struct" of
matching.py, matched at a cosine similarity of 0.875, with the calibrated recall of
0.999 (`index="cells"`) and exactly. One process on one core scores them; Spark runs in
one process as `local[1]` and `local[2]`, each of which starts by itself. "start" is the
time to its first answer from a Python worker, "cold" the first match, from reading the
vectors on, and "warm" the match of the same rows whose embeddings are in the folder.
"efficiency" is the time of one process over that of all cores of a warm Spark, "recall"
the share of the exact pairs of one process, and "told" the recall that Spark reports.
The exact match runs on all cores alone, once, and up to a million rows; of more, all
cores alone run the other one.
"same pairs" tells whether pairs within 1e-6 of the threshold alone differ.

With DATA.csv (columns title, label_group): a Pipeline of TF-IDF with 100 components and
a tuned threshold, and a PairClassifierMatcher, fitted on the training products, match
the test gallery by `predict` with two threads, and on `local[2]`, from titles to groups
in one call. With `--made-up N`: a PairClassifierMatcher, fitted on 2,500 made-up
products, matches N titles of others.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from argparse import SUPPRESS, Namespace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from _common import (
    VectorsOfFile,
    add_split_options,
    describe_split,
    make_parser,
    make_table,
    make_tfidf,
    make_vectors,
    read_split,
    save_result,
    say,
    timed,
)
from scipy.sparse import triu
from sklearn.decomposition import TruncatedSVD
from sklearn.pipeline import make_pipeline

from skmatch import (
    FaissThresholdMatcher,
    PairClassifierMatcher,
    TunedThresholdMatcherCV,
    make_product_titles,
)

MEASURES = (
    "skmatch/distributed",
    "skmatch/search",
    "skmatch/pairs",
    "skmatch/graph",
    "skmatch/matchers",
)
SIZES = [100_000, 1_000_000, 2_000_000]
THRESHOLD = 0.875
PAIRS = "PairClassifierMatcher"
MOST_EXACT = 1_000_000
COLUMNS = {
    "rows": ",d",
    "index": "",
    "where": "",
    "start": ".1f",
    "cold": ".1f",
    "warm": ".1f",
    "pairs": ",d",
    "efficiency": ".2f",
    "recall": ".5f",
    "told": ".5f",
    "same pairs": "",
}
DATA_COLUMNS = {
    "matcher": "",
    "gallery": ",d",
    "predict": ".1f",
    "Spark": ".1f",
    "pairs": ",d",
    "same pairs": "",
    "groups": ",d",
}


def start_spark(n_cores: int) -> Any:
    """Start Spark in this process; return it once a Python worker has answered."""
    from pyspark.sql import SparkSession

    os.environ["PYSPARK_PYTHON"] = sys.executable
    folders = [str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, folders))
    session = (
        SparkSession.builder.master(f"local[{n_cores}]")
        .config("spark.driver.memory", "6g")
        .config("spark.driver.maxResultSize", "4g")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.sql.shuffle.partitions", "32")
        .config("spark.log.level", "OFF")
        .getOrCreate()
    )
    session.range(10).mapInArrow(lambda batches: batches, "id bigint").collect()
    return session


def measure_spark(n_cores: int, index: str, path: str, found: str) -> dict[str, Any]:
    """Match the vectors of a file on Spark; write the pairs to another."""
    from skmatch.distributed import match

    n_rows = len(np.load(path, mmap_mode="r"))
    start, spark = timed(lambda: start_spark(n_cores))
    rows = spark.range(n_rows).selectExpr("id", "cast(id as string) as title")
    matcher = FaissThresholdMatcher(THRESHOLD, index=index)
    matcher.fit(np.load(path, mmap_mode="r")[:10])
    pipe = make_pipeline(VectorsOfFile(path), matcher)

    def find(folder: str) -> tuple[Any, float]:
        pairs = match(pipe, rows, title_col="title", id_col="id", folder=folder)
        return pairs.toArrow(), pairs.schema["score"].metadata["value"]

    with TemporaryDirectory() as folder:
        cold, (pairs, told) = timed(lambda: find(folder))
        row = {"start": start, "cold": cold, "told": told}
        if index != "exact":
            row["warm"], (pairs, told) = timed(lambda: find(folder))
    spark.stop()
    np.save(found, number_pairs(pairs, n_rows))
    return row


def measure_process(index: str, path: str, found: str) -> dict[str, Any]:
    """Match the vectors of a file in this process; write the pairs to another."""
    X = np.load(path)
    matcher = FaissThresholdMatcher(THRESHOLD, index=index, n_jobs=1).fit(X[:10])
    matcher.score_graph(X[:3000])  # load and start what there is
    seconds, graph = timed(lambda: matcher.score_graph(X))
    left, right = triu(graph, k=1).coords
    np.save(found, np.sort(left.astype(np.int64) * len(X) + right))
    return {"warm": seconds}


def number_pairs(pairs: pa.Table, n_rows: int) -> np.ndarray:
    """Return one number for each pair of row numbers, sorted."""
    left, right = (pairs.column(side).to_numpy() for side in ("left", "right"))
    return np.sort(np.minimum(left, right) * n_rows + np.maximum(left, right))


def compare_pairs(X: np.ndarray, one: np.ndarray, other: np.ndarray) -> str:
    """Tell whether two sets of pairs differ at the threshold alone."""
    different = np.setxor1d(one, other)
    left, right = (X[side] for side in np.divmod(different, len(X)))
    cosines = np.einsum("ij,ij->i", left, right, dtype=np.float64)
    is_near = abs(cosines - THRESHOLD) < 1e-6
    if not len(different):
        return "yes"
    return "within 1e-6" if is_near.all() else f"no: {(~is_near).sum():,} differ"


def compare_sizes(n_rows: int, cores: list[int]) -> list[dict[str, Any]]:
    """Measure one process, and Spark with some numbers of cores, on the same rows."""
    X = make_vectors("struct", n_rows)
    rows: list[dict[str, Any]] = []
    with TemporaryDirectory() as folder:
        path = f"{folder}/rows.npy"
        np.save(path, X)
        exact, alone = None, {}
        runs = [("exact", 0), ("exact", max(cores))] if n_rows <= MOST_EXACT else []
        of_cells = (0, *cores) if n_rows <= MOST_EXACT else (0, max(cores))
        for index, n_cores in [*runs, *(("cells", n) for n in of_cells)]:
            found = f"{folder}/found.npy"
            command = [sys.executable, __file__, "--one", str(n_cores)]
            command += [index, path, found]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            own = json.loads(done.stdout.splitlines()[-1])
            pairs = np.load(found)
            exact = pairs if runs and exact is None else exact
            where = f"Spark, local[{n_cores}]" if n_cores else "one process"
            row = {"rows": n_rows, "index": index, "where": where} | own
            row["pairs"] = len(pairs)
            if exact is not None:
                row["recall"] = len(np.intersect1d(pairs, exact)) / len(exact)
            if not n_cores:
                alone[index] = row["warm"]
            elif "warm" in row:
                row["efficiency"] = alone[index] / (row["warm"] * n_cores)
            if n_cores and index == "exact":
                row["same pairs"] = compare_pairs(X, exact, pairs)
            rows.append(row)
            say(f"done: {row}")
    return rows


def compare_titles(args: Namespace) -> tuple[list[dict[str, Any]], str]:
    """Match the test gallery of a file by `predict` and on Spark."""
    split = read_split(args.data, args.ids, args.shuffle_products)
    embedder = make_pipeline(make_tfidf(), TruncatedSVD(100, random_state=0))
    pipe = make_pipeline(embedder, FaissThresholdMatcher(index="exact"))
    tuned = TunedThresholdMatcherCV(pipe).fit(split.titles, split.labels)
    pairs_of = PairClassifierMatcher(random_state=0, n_jobs=2)
    pairs_of.fit(split.titles, split.labels)
    spark = start_spark(2)
    rows = [
        compare_matcher(spark, name, matcher, split.test_titles)
        for name, matcher in (("TF-IDF + SVD, tuned", tuned), (PAIRS, pairs_of))
    ]
    spark.stop()
    return rows, describe_split(args.data, split)


def compare_made_up(sizes: list[int]) -> list[dict[str, Any]]:
    """Match made-up titles, three of each product, by `predict` and on Spark."""
    matcher = PairClassifierMatcher(random_state=0, n_jobs=2, threshold=0.5)
    matcher.fit(*make_product_titles(2500, random_state=0))
    titles, _ = make_product_titles(max(sizes) // 3 + 1, random_state=1)
    spark = start_spark(2)
    rows = [compare_matcher(spark, PAIRS, matcher, titles[:size]) for size in sizes]
    spark.stop()
    return rows


def compare_matcher(spark: Any, name: str, matcher: Any, titles: Any) -> dict[str, Any]:
    """Match titles by `predict` and, from titles to groups in one call, on Spark."""
    from skmatch.distributed import groups, match

    ids = pa.array(range(len(titles)))
    table = pa.table({"id": ids, "title": pa.array(list(titles), pa.string())})
    df = spark.createDataFrame(table)
    seconds, matches = timed(lambda: matcher.predict(titles))
    left, right = triu(matches, k=1).coords
    expected = np.sort(left.astype(np.int64) * len(ids) + right)
    with TemporaryDirectory() as folder:
        call = {"title_col": "title", "id_col": "id", "folder": folder}
        on_spark, found = timed(lambda: groups(matcher, df, **call).toArrow())
        pairs = match(matcher, df, **call).toArrow()  # of the steps in the folder
    n_different = len(np.setxor1d(number_pairs(pairs, len(ids)), expected))
    row = {
        "matcher": name,
        "gallery": len(ids),
        "predict": seconds,
        "Spark": on_spark,
        "pairs": len(pairs),
        "same pairs": f"no: {n_different} differ" if n_different else "yes",
        "groups": pc.count_distinct(found.column("group")).as_py(),
    }
    say(f"done: {row}")
    return row


def main(args: Namespace) -> None:
    """Measure what is asked for."""
    if args.data:
        rows, note = compare_titles(args)
        table = make_table("", rows, DATA_COLUMNS)
        save_result(args, Path(args.data).stem, [table], [note])
        return
    if args.made_up:
        table = make_table("", compare_made_up(args.made_up), DATA_COLUMNS)
        save_result(args, "made-up-titles", [table])
        return
    rows = [row for n_rows in args.sizes for row in compare_sizes(n_rows, args.cores)]
    save_result(args, "rows", [make_table("", rows, COLUMNS)])


if __name__ == "__main__":
    parser = make_parser(__doc__)
    parser.add_argument(
        "--sizes", metavar="N", type=int, nargs="+", default=SIZES, help="of galleries"
    )
    parser.add_argument(
        "--cores", metavar="N", type=int, nargs="+", default=[1, 2], help="of Spark"
    )
    parser.add_argument("--data", metavar="DATA.csv", help="columns title, label_group")
    parser.add_argument(
        "--made-up", metavar="N", type=int, nargs="+", help="made-up titles"
    )
    parser.add_argument("--one", nargs=4, help=SUPPRESS)  # cores, index, vectors, pairs
    add_split_options(parser)
    args = parser.parse_args()
    if args.one and args.one[0] == "0":
        print(json.dumps(measure_process(*args.one[1:])))
    elif args.one:
        print(json.dumps(measure_spark(int(args.one[0]), *args.one[1:])))
    else:
        main(args)
