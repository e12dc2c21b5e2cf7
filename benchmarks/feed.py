"""ProductCatalogue: a year of daily listings, a thousand among many, and kills.

    OMP_NUM_THREADS=1 python benchmarks/feed.py DATA.csv [--days N]
    OMP_NUM_THREADS=1 python benchmarks/feed.py --sizes N [...]
    python benchmarks/feed.py --kills 100

With DATA.csv, a PairClassifierMatcher is fitted on the training products, and the
titles of the test products come in random order: a fifth at once, and the rest in equal
parts, one a day. Beside it, all of them at once. B-cubed F1 is that of the products at
the end. "as at once" is the share of the pairs of listings that are one product either
way and are so both ways; "apart or not" that of all pairs that are decided alike. "ids
kept" is the share of the listings whose product is the one that they were given first.

With --sizes, made-up titles, three of each product, are added at once, and then three
times 1,000 further ones; "seconds" is the median of these, "open s" the time that the
first call takes to read the folder, "peak MB" the memory above that before all calls.

With --kills, programs that add and remove listings, of a Pipeline with TF-IDF, are
killed with SIGKILL at random moments. What is left must be the listings before the call
or after it, in products that the changes lead to; else it is lost.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from argparse import Namespace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from _common import (
    PeakMemory,
    add_split_options,
    describe_split,
    make_parser,
    make_table,
    read_split,
    save_result,
    say,
    timed,
)
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline

from skmatch import (
    FaissThresholdMatcher,
    PairClassifierMatcher,
    ProductCatalogue,
    bcubed_precision_recall_f1,
    make_product_titles,
)

MEASURES = (
    "skmatch/titles",
    "skmatch/pairs",
    "skmatch/graph",
    "skmatch/search",
    "skmatch/matchers",
    "skmatch/catalogue",
)
AT_FIRST = 0.2  # share of the listings
N_NEW = 1_000
N_TIMES = 3
N_KILLED = 5  # listings that come at once, where programs are killed
YEAR_COLUMNS = {
    "listings come": "",
    "B-cubed F1": ".3f",
    "precision": ".3f",
    "recall": ".3f",
    "products": ",d",
    "as at once": ".4f",
    "apart or not": ".6f",
    "ids kept": ".3f",
    "median s": ".2f",
    "longest s": ".1f",
}
SIZE_COLUMNS = {
    "listings": ",d",
    "new": ",d",
    "seconds": ".1f",
    "at once s": ",.0f",
    "open s": ".1f",
    "peak MB": ",.0f",
    "folder MB": ",.0f",
}


def compare(
    groups: NDArray[Any], others: NDArray[Any], rows_per_block: int = 1_000
) -> tuple[float, float]:
    """Return the share of pairs together in both, and of those decided alike."""
    n_both = n_either = n_alike = 0
    for start in range(0, len(groups), rows_per_block):
        block = slice(start, start + rows_per_block)
        one = groups[block, None] == groups
        other = others[block, None] == others
        n_both += int((one & other).sum())
        n_either += int((one | other).sum())
        n_alike += int((one == other).sum())
    n_rows = len(groups)  # a row with itself is no pair
    n_pairs = n_rows * (n_rows - 1)
    return (n_both - n_rows) / (n_either - n_rows), (n_alike - n_rows) / n_pairs


def measure_year(args: Namespace) -> None:
    """Add the test titles of a file day by day, and at once."""
    split = read_split(args.data, args.ids, args.shuffle_products)
    matcher = PairClassifierMatcher(random_state=0, n_jobs=args.n_jobs)
    matcher.fit(split.titles, split.labels)
    say("done: fit")
    order = np.random.default_rng(0).permutation(len(split.test_titles))
    titles, labels = split.test_titles[order], split.test_labels[order]
    n_first = round(AT_FIRST * len(titles))
    batches = [
        np.arange(n_first),
        *np.array_split(np.arange(n_first, len(titles)), args.days),
    ]
    rows = []

    def describe(name: str, products: NDArray[Any], **others: Any) -> None:
        scores = bcubed_precision_recall_f1(labels, products)
        row = dict(zip(("precision", "recall", "B-cubed F1"), scores, strict=True))
        row |= {"listings come": name, "products": len(np.unique(products)), **others}
        row["as at once"], row["apart or not"] = compare(products, at_once)
        rows.append(row)
        say(f"done: {row}")

    with TemporaryDirectory() as folder:
        with ProductCatalogue(Path(folder) / "whole", matcher) as catalogue:
            seconds, at_once = timed(partial(catalogue.add, titles))
        describe("at once", at_once, **{"longest s": seconds})
        with ProductCatalogue(Path(folder) / "daily", matcher) as catalogue:
            each, first = [], []
            for batch in batches:
                seconds, products = timed(partial(catalogue.add, titles[batch]))
                each.append(seconds)
                first.append(products)
            every = np.arange(len(titles))
            at_end, given = catalogue.find(every), np.concatenate(first)
            describe(
                f"{n_first:,}, then on {args.days} days",
                at_end,
                **{
                    "ids kept": (at_end == given).mean(),
                    "median s": np.median(each[1:]),
                    "longest s": max(each[1:]),
                },
            )
            seconds, _ = timed(catalogue.regroup)
            regrouped = catalogue.find(every)
            describe(
                "the same, then regroup()",
                regrouped,
                **{"ids kept": (regrouped == given).mean(), "longest s": seconds},
            )
    what = Path(args.data).stem
    title = describe_split(args.data, split)
    save_result(args, what, [make_table(title, rows, YEAR_COLUMNS)])


def change_for_ever(folder: str, titles: NDArray[Any], ready: Any) -> None:
    """Add five listings, remove the first of them and add it again, without end."""
    with ProductCatalogue(folder) as catalogue:
        n_there = sum(map(len, catalogue.products().values()))
        while True:
            ids = list(range(n_there, n_there + N_KILLED))
            catalogue.add(titles[np.mod(ids, len(titles))], ids)
            ready.set()
            catalogue.remove(ids[:1])
            catalogue.add([titles[n_there % len(titles)]], ids[:1])
            n_there += N_KILLED


def is_whole(catalogue: ProductCatalogue) -> bool:
    """Tell whether the listings are those before a call or after it."""
    products = catalogue.products()
    ids = sorted(i for own in products.values() for i in own)
    n_missing = len(set(range(len(ids))) - set(ids))  # at most the one removed
    told: dict[int, set[int]] = {}
    for change in catalogue.changes():
        is_new = change.kind in ("created", "joined")
        if not is_new:
            told[change.product] -= set(change.listings)
        to = change.product if is_new else change.other
        if to is not None:
            told.setdefault(to, set()).update(change.listings)
    replayed = {product: own for product, own in told.items() if own}
    is_told = replayed == {product: {*own} for product, own in products.items()}
    return is_told and (len(ids) + n_missing) % N_KILLED == 0


def measure_kills(args: Namespace) -> None:
    """Kill programs that change a catalogue."""
    titles, _ = make_product_titles(200, random_state=0)
    tfidf = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4))
    matcher = make_pipeline(tfidf, FaissThresholdMatcher(0.5)).fit(titles)
    rng, processes = np.random.default_rng(0), multiprocessing.get_context("fork")
    n_lost = n_revisions = 0
    with TemporaryDirectory() as folder:
        ProductCatalogue(folder, matcher).close()
        for _ in range(args.kills):
            ready = processes.Event()
            process = processes.Process(
                target=change_for_ever, args=(folder, titles, ready)
            )
            process.start()
            ready.wait()
            time.sleep(rng.uniform(0, 0.2))
            process.kill()
            process.join()
            with ProductCatalogue(folder) as catalogue:
                n_lost += not is_whole(catalogue)
                there = list_ids(catalogue)
                gone = np.setdiff1d(np.arange(max(there)), there)
                catalogue.add(titles[gone % len(titles)], gone)
                n_revisions = catalogue.revision
    row = {"kills": args.kills, "lost": n_lost, "changes that were whole": n_revisions}
    save_result(args, "kills", [make_table("", [row], dict.fromkeys(row, ",d"))])


def list_ids(catalogue: ProductCatalogue) -> list[int]:
    """Return the ids of all listings."""
    return [i for own in catalogue.products().values() for i in own]


def measure_sizes(args: Namespace) -> None:
    """Add 1,000 titles to many."""
    titles, labels = make_product_titles(2500, random_state=0)
    matcher = PairClassifierMatcher(random_state=0, n_jobs=args.n_jobs)
    matcher.fit(titles, labels)
    rows = []
    for size in args.sizes:
        n_titles = size + N_TIMES * N_NEW
        titles, _ = make_product_titles(n_titles // 3 + 1, random_state=1)
        order = np.random.default_rng(0).permutation(n_titles)
        titles = titles[order]
        with TemporaryDirectory() as folder, PeakMemory() as peak:
            with ProductCatalogue(folder, matcher) as catalogue:
                at_once, _ = timed(partial(catalogue.add, titles[:size]))
                say(f"done: {size:,} at once, {at_once:.0f} s")
            with ProductCatalogue(folder) as catalogue:
                opened, _ = timed(catalogue.load)
                each = []
                for start in range(size, n_titles, N_NEW):
                    new = titles[start : start + N_NEW]
                    each.append(timed(partial(catalogue.add, new))[0])
            n_bytes = sum(
                os.path.getsize(Path(where) / name)
                for where, _, names in os.walk(folder)
                for name in names
            )
        rows.append(
            {
                "listings": size,
                "new": N_NEW,
                "seconds": float(np.median(each)),
                "at once s": at_once,
                "open s": opened,
                "peak MB": peak.mb,
                "folder MB": n_bytes / 2**20,
            }
        )
        say(f"done: {rows[-1]}")
    save_result(args, "made-up-titles", [make_table("", rows, SIZE_COLUMNS)])


if __name__ == "__main__":
    parser = make_parser(__doc__)
    parser.add_argument("data", nargs="?", metavar="DATA.csv")
    parser.add_argument("--days", type=int, default=365, help="of listings")
    parser.add_argument("--sizes", metavar="N", type=int, nargs="+", help="listings")
    parser.add_argument("--n-jobs", type=int, default=1, help="threads")
    add_split_options(parser)
    parser.add_argument("--kills", type=int, help="number of programs to kill")
    args = parser.parse_args()
    if sum(x is not None for x in (args.data, args.sizes, args.kills)) != 1:
        sys.exit("expected DATA.csv, --sizes or --kills")
    if args.kills:
        measure_kills(args)
    elif args.sizes:
        measure_sizes(args)
    else:
        measure_year(args)
