"""Time of `explain`, of a table of matches, and of the import.

    OMP_NUM_THREADS=1 python benchmarks/explaining.py DATA.csv

A matcher without labels explains pairs of the training titles in their gallery: the
first call matches the gallery, the next ones explain a pair each, of which the mean is
told; half of the pairs match. `match_table` makes a frame of a million made-up matches
with the titles of both sides. The import of skmatch is timed in a process that has
imported scikit-learn, as the least of five.
"""

from __future__ import annotations

import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import numpy as np
from _common import (
    add_split_options,
    describe_split,
    make_parser,
    make_table,
    read_split,
    save_result,
    timed,
)
from scipy.sparse import csr_array

from skmatch import PairClassifierMatcher, match_table

MEASURES = ("skmatch/titles", "skmatch/pairs", "skmatch/tables", "skmatch/matchers")
N_PAIRS = 40
N_MATCHES = 1_000_000
IMPORT = """
import time, sklearn.pipeline, sklearn.ensemble
began = time.perf_counter()
import skmatch
print(time.perf_counter() - began)
"""


def time_explanations(titles: np.ndarray) -> list[dict[str, object]]:
    """Explain pairs of a gallery, half of which match."""
    matcher = PairClassifierMatcher(random_state=0).fit(titles)
    first, _ = timed(lambda: matcher.explain(0, 1, gallery=titles))
    graph = matcher.score_graph(titles).tocoo()
    rng = np.random.default_rng(0)
    pairs: list[tuple[int, int]] = []
    for is_match in (graph.data >= 0.5, graph.data < 0.5):
        some = rng.choice(np.flatnonzero(is_match), N_PAIRS // 2, replace=False)
        pairs += zip(graph.row[some].tolist(), graph.col[some].tolist(), strict=True)
    seconds, _ = timed(
        lambda: [matcher.explain(a, b, gallery=titles) for a, b in pairs]
    )
    what = f"explain in a gallery of {len(titles):,}"
    return [
        {"what": f"{what}: the first call", "seconds": first},
        {"what": f"{what}: each next pair", "seconds": seconds / len(pairs)},
    ]


def time_table(titles: np.ndarray) -> dict[str, object]:
    """Make a table of a million matches."""
    rng = np.random.default_rng(0)
    n = len(titles)
    keys = np.sort(rng.choice(n * n, N_MATCHES, replace=False))
    scores = rng.random(N_MATCHES).astype(np.float32)
    graph = csr_array((scores, np.divmod(keys, n)), shape=(n, n))
    seconds, table = timed(
        lambda: match_table(graph, left_titles=titles, right_titles=titles)
    )
    return {"what": f"match_table of {len(table):,} matches", "seconds": seconds}


def time_import() -> dict[str, object]:
    """Import skmatch after scikit-learn, each time in a process of its own."""
    command = [sys.executable, "-c", IMPORT]
    turns = [
        float(subprocess.run(command, check=True, capture_output=True).stdout)
        for _ in range(5)
    ]
    return {"what": "import skmatch after scikit-learn", "seconds": min(turns)}


def main(args: Namespace) -> None:
    """Time all three."""
    split = read_split(args.data, args.ids, args.shuffle_products)
    rows = [time_import(), time_table(split.titles), *time_explanations(split.titles)]
    columns = {"what": "", "seconds": ".2f"}
    table = make_table(describe_split(args.data, split), rows, columns)
    save_result(args, Path(args.data).stem, [table])


if __name__ == "__main__":
    parser = make_parser(__doc__)
    parser.add_argument("data", metavar="DATA.csv", help="labelled titles")
    add_split_options(parser)
    main(parser.parse_args())
