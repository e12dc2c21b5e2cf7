"""What tuning a threshold costs, and what a threshold for the gallery's size gains.

    python benchmarks/thresholds.py DATA.csv

TunedThresholdMatcherCV on TF-IDF. "fixed" is the threshold with the best mean over the
folds, "adapted" that of `adapt_to_gallery=True`; "gain" is the second less the first,
with its standard error over the draws of the gallery.
"""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from _common import (
    Split,
    add_split_options,
    describe_split,
    make_parser,
    make_table,
    make_tfidf,
    read_split,
    save_result,
    timed,
)
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline

from skmatch import (
    ClassDisjointKFold,
    FaissThresholdMatcher,
    TunedThresholdMatcherCV,
    rowwise_f1_scorer,
)
from skmatch.evaluation import rank_matches, scores_at

MEASURES = (
    "skmatch/matchers/_tuned_threshold.py",
    "skmatch/matchers/_faiss_threshold.py",
    "skmatch/search",
    "skmatch/evaluation",
)
N_GRID = 20
COST_COLUMNS = {"search": "", "thresholds": "", "seconds": ".1f", "times": ".2f"}
GALLERY_COLUMNS = {
    "learned from": ",d",
    "tuned on galleries of": ",d",
    "gallery": ",.0f",
    "F1 fixed": ".3f",
    "F1 adapted": ".3f",
    "F1 oracle": ".3f",
    "gain": "",
    "at fixed": ".3f",
    "at adapted": ".3f",
    "at oracle": ".3f",
    "draws": "d",
}


def make_pipe(memory: str | None = None) -> Pipeline:
    """Make the pipeline whose threshold is tuned."""
    steps = [("embed", make_tfidf()), ("match", FaissThresholdMatcher())]
    return Pipeline(steps, memory=memory)


def compare_cost(titles: Any, labels: Any) -> list[dict[str, Any]]:
    """Compare the cost of one threshold, of 500, of all, and of grid searches."""
    cv = ClassDisjointKFold(5)

    def tune(thresholds: Any) -> float:
        tuned = TunedThresholdMatcherCV(
            make_pipe(), cv=cv, thresholds=thresholds, refit=False
        )
        return timed(lambda: tuned.fit(titles, labels))[0]

    def grid(memory: str | None) -> float:
        search = GridSearchCV(
            make_pipe(memory),
            {"match__threshold": np.linspace(0.2, 0.9, N_GRID)},
            scoring=rowwise_f1_scorer,
            cv=cv,
            refit=False,
        )
        return timed(lambda: search.fit(titles, labels))[0]

    tune([0.45])  # load and start what there is
    one, many = tune([0.2]), tune(np.linspace(0.2, 0.9, 500))
    rows = [
        ("TunedThresholdMatcherCV, one threshold of 0.2", 1, one),
        ("TunedThresholdMatcherCV, from 0.2 to 0.9", 500, many),
        ("TunedThresholdMatcherCV, all", "all", tune("all")),
        ("GridSearchCV", N_GRID, grid(None)),
    ]
    with TemporaryDirectory() as folder:
        rows.append(("GridSearchCV with memory", N_GRID, grid(folder)))
    return [
        {"search": name, "thresholds": number, "seconds": cost, "times": cost / one}
        for name, number, cost in rows
    ]


def draw_products(labels: Any, n_rows: int, rng: np.random.Generator) -> Any:
    """Draw products until there are about so many rows; return which rows they are."""
    products = rng.permutation(np.unique(labels))
    n_of = np.bincount(labels)[products].cumsum()
    return np.isin(labels, products[: np.searchsorted(n_of, n_rows) + 1])


def compare_gallery(
    tuned: dict[str, TunedThresholdMatcherCV], titles: Any, labels: Any
) -> list[float]:
    """Return the size of a gallery, and F1 and threshold of fixed, adapted, oracle."""
    embeddings = tuned["fixed"].estimator_[0].transform(titles)
    thresholds = [each.threshold_for(len(labels)) for each in tuned.values()]
    matcher = FaissThresholdMatcher(min(thresholds)).fit(embeddings)
    ranked = rank_matches(matcher.score_graph(embeddings), labels)
    oracle = TunedThresholdMatcherCV(matcher, cv="prefit").fit(embeddings, labels)
    return [
        len(labels),
        *scores_at(ranked, np.array(thresholds)),
        oracle.best_score_,
        *thresholds,
        oracle.best_threshold_,
    ]


def compare_galleries(
    learn: tuple[Any, Any], apply: tuple[Any, Any], sizes: list[int]
) -> list[dict[str, Any]]:
    """Tune on some products, and score galleries of other ones."""
    titles, labels = apply
    tuned = {
        name: TunedThresholdMatcherCV(
            make_pipe(), adapt_to_gallery=name == "adapted"
        ).fit(*learn)
        for name in ("fixed", "adapted")
    }
    rng = np.random.default_rng(0)
    rows = []
    for size in [*(size for size in sizes if size < len(titles)), len(titles)]:
        results = []
        for _ in range(10 if size < len(titles) else 1):
            part = slice(None)
            if size < len(titles):
                part = draw_products(labels, size, rng)
            results.append(compare_gallery(tuned, titles[part], labels[part]))
        names = ("gallery", "F1 fixed", "F1 adapted", "F1 oracle")
        names += ("at fixed", "at adapted", "at oracle")
        row = dict(zip(names, np.mean(results, axis=0).tolist(), strict=True))
        gains = np.array([result[2] - result[1] for result in results])
        row["gain"] = f"{gains.mean():+.4f}"
        if len(gains) > 1:
            row["gain"] += f" ± {gains.std(ddof=1) / np.sqrt(len(gains)):.4f}"
        row["learned from"] = len(learn[0])
        row["tuned on galleries of"] = round(tuned["fixed"].gallery_size_)
        rows.append(row | {"draws": len(results)})
    return rows


def main(args: Namespace) -> None:
    """Measure cost and gain on one file."""
    split: Split = read_split(args.data, args.ids, args.shuffle_products)
    train = split.titles, split.labels
    test = split.test_titles, split.test_labels
    rows = compare_galleries(train, test, [146, 500, 2000])
    rows += compare_galleries(test, train, [500, 4113])
    name = describe_split(args.data, split)
    tables = [
        make_table(
            f"{name}. Tuning on the training titles, 5 folds",
            compare_cost(*train),
            COST_COLUMNS,
        ),
        make_table("Row-wise F1 by the size of the gallery", rows, GALLERY_COLUMNS),
    ]
    save_result(args, Path(args.data).stem, tables)


if __name__ == "__main__":
    parser = make_parser(__doc__)
    parser.add_argument("data", metavar="DATA.csv", help="columns title, label_group")
    add_split_options(parser)
    main(parser.parse_args())
