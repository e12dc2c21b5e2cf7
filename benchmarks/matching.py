"""Speed, memory and recall of FaissThresholdMatcher against its peers.

    OMP_NUM_THREADS=1 python benchmarks/matching.py [N_ROWS ...]
    OMP_NUM_THREADS=1 python benchmarks/matching.py DATA.csv

Self-match of unit vectors at a cosine similarity, on one thread, each method in a
process of its own; "way" is how skmatch searches. "struct" are clusters of about three
rows on a background of 20 directions, "iso" the same on a background of all 100. The
slow peers search a sample of the rows, and their time is scaled to all. Recall is the
share of the pairs that an exact search finds. With DATA.csv (columns ``title`` and
``label_group``) embeddings of real titles follow, as they are and repeated with noise:
TF-IDF with 100 components of TruncatedSVD, and LSTMTitleEmbedder.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import faiss
import numpy as np
from accuracy import make_lstm, make_tfidf, print_table, read_split
from sklearn.decomposition import TruncatedSVD
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import normalize

from skmatch import FaissThresholdMatcher

N_SAMPLE = 2000
FORMATS = {"rows": ",d", "seconds": ".2f", "recall": ".5f", "peak MB": ".0f"}
FORMATS |= {"times": ",.1f", "cells": "d", "estimate": ".5f", "low": ".5f"}
FORMATS |= {"high": ".5f", "pairs": ",d", "threshold": ".3f"}


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


def resident_mb() -> float:
    """Return the resident set of this process, in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


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


def run_one(method: str, path: str, threshold: float) -> None:
    """Measure one method in this process; print the result as JSON."""
    X = np.load(path)
    faiss.omp_set_num_threads(1)

    def count(rows: np.ndarray) -> int:
        if method in PEERS:
            return PEERS[method](rows, threshold)
        return make_matcher(method, threshold).fit_predict(rows).nnz

    count(X[:3000])  # load and start what there is
    before, peak, is_done = resident_mb(), [0.0], threading.Event()

    def watch() -> None:
        while not is_done.wait(0.01):
            peak[0] = max(peak[0], resident_mb())

    watcher = threading.Thread(target=watch)
    watcher.start()
    began = time.perf_counter()
    n_matches = count(X)
    seconds = time.perf_counter() - began
    is_done.set()
    watcher.join()
    if method in SAMPLED:
        seconds *= len(X) / min(N_SAMPLE, len(X))
    way = ""
    if method in OWN:
        report = make_matcher(method, threshold).fit(X).report_search(X)
        way = f"{report.n_cells} cells" if report.n_cells else report.method
    print(json.dumps([n_matches, seconds, max(0.0, peak[0] - before), way]))


def compare(name: str, X: np.ndarray, threshold: float, methods: list[str]) -> list:
    """Measure methods on the same rows; the first one is exact."""
    rows = []
    with TemporaryDirectory() as folder:
        path = f"{folder}/rows.npy"
        np.save(path, X)
        for method in methods:
            command = [sys.executable, __file__, "--one", method, path, str(threshold)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            n_matches, seconds, peak, way = json.loads(done.stdout)
            row = {"data": name, "rows": len(X), "threshold": threshold}
            row |= {"method": method, "way": way}
            row |= {"seconds": seconds, "peak MB": peak}
            if method in SAMPLED:
                row["method"] += " (scaled)"
            elif methods[0] == "skmatch exact":
                row["n"] = n_matches
                row["recall"] = n_matches / (rows[0]["n"] if rows else n_matches)
            rows.append(row)
            rows[-1]["times"] = seconds / rows[0]["seconds"]
    sampled = count_blas(X, threshold) if len(X) <= 200_000 else None
    if sampled is not None:  # the exact search is exact
        exact = FaissThresholdMatcher(threshold, index="exact").fit(X)
        itself = exact.transform(X[:N_SAMPLE]).nnz
        assert abs(itself - sampled) <= 2 + sampled * 1e-4, (itself, sampled)
    return rows


def compare_recall(name: str, X: np.ndarray, threshold: float, target: float) -> dict:
    """Compare the recall that the matcher reports with the true one."""
    exact = FaissThresholdMatcher(threshold, index="exact").fit_predict(X).nnz - len(X)
    matcher = FaissThresholdMatcher(threshold, index="cells", target_recall=target)
    found = matcher.fit_predict(X).nnz - len(X)
    report = matcher.report_search(X)
    recall = found / max(1, exact)
    return {
        "data": name,
        "rows": len(X),
        "threshold": threshold,
        "target": target,
        "pairs": exact // 2,
        "method": report.method,
        "estimate": report.recall,
        "low": report.recall_low,
        "high": report.recall_high,
        "recall": recall,
        "inside": "yes" if report.recall_low <= recall <= report.recall_high else "no",
    }


def real_vectors(path: str) -> dict[str, np.ndarray]:
    """Embed the titles of a file by embedders of its training products."""
    titles, labels, test_titles, _ = read_split(path)
    every = np.concatenate([titles, test_titles])
    tfidf = make_tfidf(titles, labels)
    svd = TruncatedSVD(100, random_state=0).fit(tfidf.transform(titles))
    shortened = normalize(svd.transform(tfidf.transform(every))).astype(np.float32)
    return {
        "TF-IDF + SVD": shortened,
        "LSTM": make_lstm(titles, labels).transform(every),
    }


def repeat(X: np.ndarray, n_rows: int) -> np.ndarray:
    """Repeat rows with noise: neighbours of about cosine 0.9, and all the others."""
    rng = np.random.default_rng(0)
    rows = X[rng.integers(len(X), size=n_rows)]
    scale = np.float32(0.45 / np.sqrt(X.shape[1]))
    rows += scale * rng.standard_normal(rows.shape, dtype=np.float32)
    return normalize(rows, copy=False)


def main(sizes: list[int], data: str | None) -> None:
    """Print the tables."""
    every, own = [*OWN, *PEERS], list(OWN)

    def show(name: str, X: np.ndarray, threshold: float, methods: list[str]) -> None:
        columns = ["data", "rows", "threshold", "method", "way", "seconds", "times"]
        rows = compare(name, X, threshold, methods)
        print_table(rows, [*columns, "recall", "peak MB"], FORMATS)
        print(flush=True)

    for n_rows in sizes:
        for kind in ("struct", "iso") if n_rows <= 100_000 else ("struct",):
            methods = every if n_rows <= 1_000_000 else own[1:]
            show(kind, make_vectors(kind, n_rows), 0.875, methods)
    vectors = {kind: make_vectors(kind, 20_000) for kind in ("struct", "iso")}
    if data is not None:
        real = real_vectors(data)
        vectors |= real
        for name, X in real.items():
            for threshold in (0.55, 0.875):
                show(name, X, threshold, every)
            # One margin for all cells is slow where these are of no use.
            methods = [method for method in every if "cells" not in method]
            show(f"{name}, repeated", repeat(X, 500_000), 0.875, methods)
    print("Reported recall and true recall\n")
    reports = [
        compare_recall(name, X, threshold, target)
        for name, X in vectors.items()
        for threshold in (0.8, 0.85, 0.9, 0.95)
        for target in (0.9, 0.97, 0.99)
    ]
    reports = [report for report in reports if report["method"] == "cells"]
    print_table(reports, [*reports[0]], FORMATS)
    calibrated = [report for report in reports if report["low"] < 1]
    inside = sum(report["inside"] == "yes" for report in calibrated)
    reached = sum(report["recall"] >= report["target"] for report in calibrated)
    print(
        f"\n{len(calibrated)} calibrated searches: the true recall is inside the "
        f"interval in {inside}, and reaches the target in {reached}"
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        run_one(sys.argv[2], sys.argv[3], float(sys.argv[4]))
    else:
        numbers = [int(word) for word in sys.argv[1:] if word.isdigit()]
        files = [word for word in sys.argv[1:] if not word.isdigit()]
        sizes = [20_000, 100_000, 1_000_000, 2_000_000]
        main(numbers or ([] if files else sizes), files[0] if files else None)
