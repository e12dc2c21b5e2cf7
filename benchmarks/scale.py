"""Time, memory and F1 of PairClassifierMatcher as the titles become many.

    OMP_NUM_THREADS=1 python benchmarks/scale.py [--sizes N ...]

Titles are drawn by `make_product_titles`, three of each product, so that each has about
the same number of candidates whatever the size. One matcher, fitted on 2,500 products,
matches them, each gallery in a process of its own: `score_graph`, then the threshold
0.5. "times" is the time of a title over that in the smallest gallery, "peak MB" the
memory above that before the call. "recall" is the share of the pairs of the same
product that the score graph holds.
"""

from __future__ import annotations

import json
import subprocess
import sys
from argparse import SUPPRESS, Namespace
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from _common import PeakMemory, make_parser, make_table, save_result, say, timed

from skmatch import (
    PairClassifierMatcher,
    decide_matches,
    load,
    make_product_titles,
    rowwise_f1_score,
    save,
)

MEASURES = (
    "skmatch/titles",
    "skmatch/pairs",
    "skmatch/graph",
    "skmatch/search",
    "skmatch/matchers/_pair_classifier.py",
)
SIZES = [25_000, 50_000, 100_000, 200_000]
THRESHOLD = 0.5
COLUMNS = {
    "titles": ",d",
    "seconds": ".0f",
    "microseconds a title": ",.0f",
    "times": ".2f",
    "peak MB": ",.0f",
    "F1": ".3f",
    "recall": ".4f",
}


def measure_alone(folder: str, size: int) -> None:
    """Measure one gallery in this process; print the row as JSON."""
    matcher = load(folder)
    titles, product_ids = make_product_titles(size // 3 + 1, random_state=1)
    titles, product_ids = titles[:size], product_ids[:size]
    matcher.score_graph(titles[:300])  # load and start what there is
    with PeakMemory() as peak:
        seconds, graph = timed(lambda: matcher.score_graph(titles))
    matches = decide_matches(graph, THRESHOLD)
    sizes = np.bincount(np.unique(product_ids, return_inverse=True)[1])
    row, column = graph.nonzero()
    n_found = int((product_ids[row] == product_ids[column]).sum())
    result = {
        "titles": size,
        "seconds": seconds,
        "microseconds a title": seconds / size * 1e6,
        "peak MB": peak.mb,
        "F1": rowwise_f1_score(product_ids, matches),
        "recall": n_found / int((sizes * (sizes - 1)).sum()),
    }
    print(json.dumps(result))


def main(args: Namespace) -> None:
    """Fit a matcher, and measure galleries of all sizes."""
    titles, labels = make_product_titles(2500, random_state=0)
    matcher = PairClassifierMatcher(
        random_state=0, n_jobs=args.n_jobs, threshold=THRESHOLD
    )
    matcher.fit(titles, labels)
    rows: list[dict[str, Any]] = []
    with TemporaryDirectory() as folder:
        save(matcher, folder)
        for size in args.sizes:
            command = [sys.executable, __file__, "--one", folder, str(size)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            row = json.loads(done.stdout)
            rows.append(row)
            each = "microseconds a title"
            row["times"] = row[each] / rows[0][each]
            say(f"done: {row}")
    save_result(args, "made-up-titles", [make_table("", rows, COLUMNS)])


if __name__ == "__main__":
    parser = make_parser(__doc__)
    parser.add_argument(
        "--sizes", metavar="N", type=int, nargs="+", default=SIZES, help="of galleries"
    )
    parser.add_argument("--n-jobs", type=int, default=1, help="threads")
    parser.add_argument("--one", nargs=2, help=SUPPRESS)
    args = parser.parse_args()
    if args.one:
        measure_alone(args.one[0], int(args.one[1]))
    else:
        main(args)
