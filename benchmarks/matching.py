"""Speed, memory and recall of FaissThresholdMatcher against its peers.

    OMP_NUM_THREADS=1 python benchmarks/matching.py [--rows N_ROWS ...]
    OMP_NUM_THREADS=1 python benchmarks/matching.py --data DATA.csv
    OMP_NUM_THREADS=1 python benchmarks/matching.py --recall

Self-match of unit vectors at a cosine similarity, on one thread, each method in a
process of its own; "way" is how skmatch searches, and "peak MB" is memory above the
input. "struct" are clusters of about three rows on a background of 20 directions, "iso"
the same on a background of all 100. The slow peers search a sample of the rows, and
their time is scaled to all. Recall is the share of the pairs that an exact search
finds. With DATA.csv the rows are embeddings of real titles, as they are and repeated
with noise: TF-IDF with 100 components of TruncatedSVD, and LSTMTitleEmbedder. Tables of
reported recall tell whether the recall that the matcher reports holds the true one.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from argparse import SUPPRESS, Namespace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import faiss
import numpy as np
from _common import (
    PeakMemory,
    Table,
    add_split_options,
    describe_split,
    make_lstm,
    make_parser,
    make_table,
    make_tfidf,
    make_vectors,
    read_split,
    save_result,
    say,
)
from sklearn.decomposition import TruncatedSVD
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import normalize

from skmatch import FaissThresholdMatcher

MEASURES = ("skmatch/search", "skmatch/matchers/_faiss_threshold.py")
SIZES = [20_000, 100_000, 1_000_000, 2_000_000]
N_SAMPLE = 2000
N_REPEATED = 500_000
COLUMNS = {
    "data": "",
    "rows": ",d",
    "threshold": ".3f",
    "method": "",
    "way": "",
    "seconds": ".2f",
    "times": ",.1f",
    "recall": ".5f",
    "peak MB": ",.0f",
}
RECALL_COLUMNS = {
    "data": "",
    "rows": ",d",
    "threshold": ".2f",
    "target": "",
    "pairs": ",d",
    "estimate": ".5f",
    "low": ".5f",
    "high": ".5f",
    "recall": ".5f",
    "inside": "",
}


# Rows


def repeat(X: np.ndarray, n_rows: int) -> np.ndarray:
    """Repeat rows with noise: neighbours of about cosine 0.9, and all the others."""
    rng = np.random.default_rng(0)
    rows = X[rng.integers(len(X), size=n_rows)]
    scale = np.float32(0.45 / np.sqrt(X.shape[1]))
    rows += scale * rng.standard_normal(rows.shape, dtype=np.float32)
    return normalize(rows, copy=False)


def embed_titles(titles: Any, labels: Any, test_titles: Any) -> dict[str, np.ndarray]:
    """Embed titles by embedders of the training products."""
    every = np.concatenate([titles, test_titles])
    tfidf = make_tfidf().fit(titles)
    svd = TruncatedSVD(100, random_state=0).fit(tfidf.transform(titles))
    shortened = normalize(svd.transform(tfidf.transform(every))).astype(np.float32)
    lstm = make_lstm().fit(titles, labels)
    return {"TF-IDF + SVD": shortened, "LSTM": lstm.transform(every)}


# Methods


def make_matcher(method: str, threshold: float) -> FaissThresholdMatcher:
    """Make the matcher of one of our methods."""
    return FaissThresholdMatcher(threshold, n_jobs=1, **OWN[method])


def count_ivf(X: np.ndarray, threshold: float) -> int:
    """Count the matches that faiss finds with its usual index."""
    n_lists = round(np.sqrt(len(X)))
    index = faiss.index_factory(
        X.shape[1], f"IVF{n_lists},Flat", faiss.METRIC_INNER_PRODUCT
    )
    index.train(X)
    index.add(X)
    index.nprobe = 4
    return sum(
        len(index.range_search(X[start : start + 20_000], threshold)[2])
        for start in range(0, len(X), 20_000)
    )


def count_flat(X: np.ndarray, threshold: float) -> int:
    """Count the matches of a sample of rows by faiss IndexFlatIP."""
    index = faiss.IndexFlatIP(X.shape[1])
    index.add(X)
    return len(index.range_search(X[:N_SAMPLE], threshold)[2])


def count_blas(X: np.ndarray, threshold: float) -> int:
    """Count the matches of a sample of rows by matrix products, block by block."""
    width = 4080  # with a power of two, the products take twice as long
    return sum(
        int(((X[:N_SAMPLE] @ X[start : start + width].T) >= threshold).sum())
        for start in range(0, len(X), width)
    )


def count_sklearn(X: np.ndarray, threshold: float) -> int:
    """Count the matches of a sample of rows by scikit-learn."""
    neighbours = NearestNeighbors(radius=np.sqrt(2 - 2 * threshold), algorithm="brute")
    return neighbours.fit(X).radius_neighbors_graph(X[:N_SAMPLE]).nnz


OWN = {
    "skmatch exact": {"index": "exact"},
    "skmatch cells, recall .995": {"index": "cells", "target_recall": 0.995},
    "skmatch cells, recall .999": {"index": "cells"},
    "skmatch auto": {},
}
PEERS = {
    "faiss IVF(sqrt n), nprobe 4": count_ivf,
    "faiss IndexFlatIP": count_flat,
    "BLAS blocks": count_blas,
    "sklearn radius_neighbors": count_sklearn,
}
SAMPLED = list(PEERS)[1:]


# Measuring one method, in a process of its own


def measure_alone(method: str, path: str, threshold: float) -> None:
    """Measure one method in this process; print the result as JSON."""
    X = np.load(path)
    faiss.omp_set_num_threads(1)

    def count(rows: np.ndarray) -> int:
        if method in PEERS:
            return PEERS[method](rows, threshold)
        return make_matcher(method, threshold).fit_predict(rows).nnz

    count(X[:3000])  # load and start what there is
    with PeakMemory() as peak:
        began = time.perf_counter()
        n_matches = count(X)
        seconds = time.perf_counter() - began
    if method in SAMPLED:
        seconds *= len(X) / min(N_SAMPLE, len(X))
    way = ""
    if method in OWN:
        report = make_matcher(method, threshold).fit(X).report_search(X)
        way = f"{report.n_cells} cells" if report.n_cells else report.method
    print(json.dumps([n_matches, seconds, peak.mb, way]))


# Comparing


def compare(name: str, X: np.ndarray, threshold: float, methods: list[str]) -> Table:
    """Measure methods on the same rows; if the first is exact, their recall too."""
    rows: list[dict[str, Any]] = []
    n_exact = None
    with TemporaryDirectory() as folder:
        path = f"{folder}/rows.npy"
        np.save(path, X)
        for method in methods:
            command = [sys.executable, __file__, "--one", method, path, str(threshold)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            n_matches, seconds, peak, way = json.loads(done.stdout)
            row = {"data": name, "rows": len(X), "threshold": threshold}
            row |= {"method": method, "way": way, "seconds": seconds, "peak MB": peak}
            if method == "skmatch exact":
                n_exact = n_matches
            if method in SAMPLED:
                row["method"] += " (scaled)"
            elif n_exact is not None:
                row["recall"] = n_matches / n_exact
            rows.append(row)
            row["times"] = seconds / rows[0]["seconds"]
            say(f"done: {name} {len(X)} {method} {seconds:.2f} s")
    if len(X) <= 200_000:
        check_exact(X, threshold)
    return make_table("", rows, COLUMNS)


def check_exact(X: np.ndarray, threshold: float) -> None:
    """Raise unless the exact search finds what matrix products find."""
    matcher = FaissThresholdMatcher(threshold, index="exact").fit(X)
    found = matcher.transform(X[:N_SAMPLE]).nnz
    expected = count_blas(X, threshold)
    if abs(found - expected) > 2 + expected * 1e-4:  # rounding at the threshold
        raise AssertionError(f"found {found} matches; expected {expected}")


def compare_recall(vectors: dict[str, np.ndarray]) -> Table:
    """Compare the recall that calibrated searches report with the true one."""
    rows = []
    for name, X in vectors.items():
        for threshold in (0.8, 0.85, 0.9, 0.95):
            exact = FaissThresholdMatcher(threshold, index="exact").fit_predict(X)
            n_exact = exact.nnz - len(X)
            for target in (0.9, 0.97, 0.99):
                matcher = FaissThresholdMatcher(
                    threshold, index="cells", target_recall=target
                )
                recall = (matcher.fit_predict(X).nnz - len(X)) / max(1, n_exact)
                report = matcher.report_search(X)
                if report.method != "cells" or report.recall_low == 1:
                    continue  # exact: nothing was calibrated
                row = {"data": name, "rows": len(X), "threshold": threshold}
                row |= {"target": target, "pairs": n_exact // 2, "recall": recall}
                row |= {"estimate": report.recall, "low": report.recall_low}
                row["high"] = report.recall_high
                is_inside = report.recall_low <= recall <= report.recall_high
                rows.append(row | {"inside": "yes" if is_inside else "no"})
    n_inside = sum(row["inside"] == "yes" for row in rows)
    n_reached = sum(row["recall"] >= row["target"] for row in rows)
    title = (
        f"Reported recall and true recall of {len(rows)} calibrated searches: the true "
        f"one is inside the 95 % interval in {n_inside}, and reaches the target in "
        f"{n_reached}"
    )
    return make_table(title, rows, RECALL_COLUMNS)


def main(args: Namespace) -> None:
    """Measure what is asked for."""
    every = [*OWN, *PEERS]
    sizes = args.rows or ([] if args.data or args.recall else SIZES)
    for n_rows in sizes:
        kinds = ("struct", "iso") if n_rows <= 100_000 else ("struct",)
        methods = every if n_rows <= 1_000_000 else [*OWN][1:]
        tables = [
            compare(kind, make_vectors(kind, n_rows), 0.875, methods) for kind in kinds
        ]
        save_result(args, f"{n_rows}-rows", tables)
    if args.recall:
        vectors = {kind: make_vectors(kind, 20_000) for kind in ("struct", "iso")}
        save_result(args, "recall", [compare_recall(vectors)])
    if args.data:
        split = read_split(args.data, args.ids, args.shuffle_products)
        vectors = embed_titles(split.titles, split.labels, split.test_titles)
        tables = []
        for name, X in vectors.items():
            tables += [
                compare(name, X, threshold, every) for threshold in (0.55, 0.875)
            ]
            # One margin for all cells is slow where these are of no use.
            methods = [method for method in every if "cells" not in method]
            many = repeat(X, args.repeated)
            tables.append(compare(f"{name}, repeated", many, 0.875, methods))
        tables.append(compare_recall(vectors))
        note = f"{describe_split(args.data, split)}; the rows are those of all titles."
        save_result(args, Path(args.data).stem, tables, [note])


if __name__ == "__main__":
    parser = make_parser(__doc__)
    parser.add_argument(
        "--rows",
        metavar="N_ROWS",
        type=int,
        nargs="+",
        help=f"numbers of rows to draw; without any option: {SIZES}",
    )
    parser.add_argument("--data", metavar="DATA.csv", help="columns title, label_group")
    parser.add_argument(
        "--recall", action="store_true", help="check the reported recall of drawn rows"
    )
    parser.add_argument(
        "--repeated",
        metavar="N_ROWS",
        type=int,
        default=N_REPEATED,
        help=f"number of repeated rows of --data ({N_REPEATED:,})",
    )
    parser.add_argument("--one", nargs=3, help=SUPPRESS)  # method, path, threshold
    add_split_options(parser)
    args = parser.parse_args()
    if args.one:
        measure_alone(args.one[0], args.one[1], float(args.one[2]))
    else:
        main(args)
