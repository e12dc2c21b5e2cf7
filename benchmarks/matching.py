"""Time and memory of FaissThresholdMatcher on clustered vectors.

    python benchmarks/matching.py [N_ROWS ...]

Self-match of unit vectors of 100 dimensions in clusters of about 3 rows, at cosine
0.875, against ``sklearn.neighbors.radius_neighbors_graph``. Memory is the peak resident
set above that before the call, in a process of its own for each figure.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
from accuracy import print_table
from sklearn.neighbors import radius_neighbors_graph

from skmatch import FaissThresholdMatcher

THRESHOLD = 0.875


def make_vectors(n_rows: int) -> np.ndarray:
    """Draw clusters on a background of 20 directions, in 100 dimensions."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(n_rows // 3, 20)) @ rng.normal(size=(20, 100))
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    rows = centres[rng.integers(len(centres), size=n_rows)]
    rows += rng.normal(size=rows.shape, scale=0.02)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows.astype(np.float32)


def resident_mb() -> float:
    """Return the resident set of this process, in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def run_one(method: str, n_rows: int) -> None:
    """Measure one method in this process; print a row as JSON."""
    X = make_vectors(n_rows)
    few = X[:200]
    call = {
        "skmatch": lambda X: FaissThresholdMatcher(THRESHOLD).fit_predict(X),
        "sklearn radius_neighbors_graph": lambda X: radius_neighbors_graph(
            X, np.sqrt(2 - 2 * THRESHOLD), include_self=True, n_jobs=-1
        ),
    }[method]
    call(few)  # start the threads
    before, peak, is_done = resident_mb(), [0.0], threading.Event()

    def watch() -> None:
        while not is_done.wait(0.005):
            peak[0] = max(peak[0], resident_mb())

    watcher = threading.Thread(target=watch)
    watcher.start()
    began = time.perf_counter()
    n_matches = call(X).nnz
    seconds = time.perf_counter() - began
    is_done.set()
    watcher.join()
    row = {"rows": n_rows, "method": method, "matches": n_matches, "seconds": seconds}
    row["peak MB above the input"] = max(0.0, peak[0] - before)
    print(json.dumps(row))


def main(sizes: list[int]) -> None:
    """Print the table."""
    rows = []
    for n_rows in sizes:
        for method in ("skmatch", "sklearn radius_neighbors_graph"):
            command = [sys.executable, __file__, "--one", method, str(n_rows)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            rows.append(json.loads(done.stdout))
    print(f"clustered unit vectors, 100 dimensions, cosine >= {THRESHOLD}\n")
    formats = {"rows": ",d", "matches": ",d", "seconds": ".1f"}
    formats["peak MB above the input"] = ".0f"
    print_table(rows, list(rows[0]), formats)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        run_one(sys.argv[2], int(sys.argv[3]))
    else:
        main([int(size) for size in sys.argv[1:]] or [20_000, 100_000])
