"""Row-wise F1 and speed of PairClassifierMatcher.

    python benchmarks/pair_classifier.py DATA.csv [DATA.csv ...]
    python benchmarks/pair_classifier.py abt_buy.csv --shuffle-products 0
    python benchmarks/pair_classifier.py DATA.csv --ablation
    python benchmarks/pair_classifier.py DATA.csv --embedders FOLDER [--model MODEL]
    python benchmarks/pair_classifier.py DATA.csv --cross-encoder MODEL

Beside one threshold on TF-IDF. "from training" is the mean row-wise F1 of the training
titles that `fit` reports, on galleries of a quarter of them; "candidates" is the share
of the true pairs of these galleries that are candidates; "gain" is over TF-IDF, with
its paired standard error. With ``--ablation`` the classifiers do without a family of
features, or the matcher without a step. With ``--embedders`` the trained embedders
join, with MODEL, the folder of a BERT-family model, the one on adapters too; FOLDER
keeps their fits, so that a run that was interrupted goes on, and "fit s" is without
their training where they were kept. With ``--cross-encoder`` MODEL is asked about the
uncertain pairs; "asked" is their share of the candidates of the test gallery.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from copy import copy
from pathlib import Path
from typing import Any

import numpy as np
from _common import (
    Split,
    add_split_options,
    describe_split,
    hold_out,
    make_lstm,
    make_parser,
    make_table,
    make_tfidf,
    read_split,
    save_result,
    say,
    summarise,
    timed,
    tune,
)
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, Normalizer

from skmatch import (
    AdapterBertEmbedder,
    AdapterBertPairClassifier,
    ClassDisjointKFold,
    FaissThresholdMatcher,
    PairClassifierMatcher,
    rowwise_f1_score,
)
from skmatch.evaluation import best_threshold, rank_matches

MEASURES = (
    "skmatch/titles",
    "skmatch/embedders",
    "skmatch/pairs",
    "skmatch/graph",
    "skmatch/search",
    "skmatch/evaluation",
    "skmatch/matchers/_pair_classifier.py",
)
COLUMNS = {
    "method": "",
    "F1": ".3f",
    "SE": ".3f",
    "gain": "",
    "from training": ".3f",
    "at": ".2f",
    "oracle F1": ".3f",
    "oracle at": ".2f",
    "gallery": ",d",
    "candidates": ".3f",
    "asked": ".3f",
    "fit s": ".0f",
    "predict s": ".1f",
}
STEPS: dict[str, dict[str, Any]] = {
    "second stacking level": {"n_levels": 1},
    "propagation": {"propagation": False},
    "both of these": {"n_levels": 1, "propagation": False},
}
FAMILIES = {
    "words": ("words_",),
    "near words": ("alignment_",),
    "learned weights of words": ("words_learned",),
    "quantities and codes": ("quantities_", "codes_"),
    "edit-based": ("characters_",),
    "lengths": ("lengths_",),
    "similarities": ("tfidfvectorizer",),
}
VARIANTS = (("threshold", "expected_f1"), ("match_singletons", True))


def measure_threshold(name: str, embedder: Any, split: Split) -> dict[str, Any]:
    """Measure an embedder with one threshold, chosen on a quarter of the products."""
    fit, hold = hold_out(split)
    held = clone(embedder).fit(split.titles[fit], split.labels[fit])
    tuned = tune(held.transform(split.titles[hold]), split.labels[hold])
    fitted = clone(embedder).fit(split.titles, split.labels)
    matcher = FaissThresholdMatcher(tuned.best_threshold_)
    seconds, matches = timed(
        lambda: matcher.fit_predict(fitted.transform(split.test_titles))
    )
    oracle = tune(fitted.transform(split.test_titles), split.test_labels)
    return {
        "method": f"{name}, one threshold",
        "scores": rowwise_f1_score(split.test_labels, matches, average=None),
        "from training": tuned.best_score_,
        "at": tuned.best_threshold_,
        "oracle F1": oracle.best_score_,
        "oracle at": oracle.best_threshold_,
        "predict s": seconds,
    }


def measure(name: str, matcher: PairClassifierMatcher, split: Split) -> dict[str, Any]:
    """Fit a matcher and measure it."""
    seconds, _ = timed(lambda: matcher.fit(split.titles, split.labels))
    row = measure_fitted(name, matcher, split) | {"fit s": seconds}
    graph = matcher.score_graph(split.test_titles)
    at, score = best_threshold(rank_matches(graph, split.test_labels))
    return row | {
        "from training": matcher.best_score_,
        "oracle F1": score,
        "oracle at": at,
    }


def measure_fitted(
    name: str, matcher: PairClassifierMatcher, split: Split
) -> dict[str, Any]:
    """Measure a matcher that is fitted."""
    seconds, matches = timed(lambda: matcher.predict(split.test_titles))
    scores = rowwise_f1_score(split.test_labels, matches, average=None)
    say(f"done: {name} {scores.mean():.4f}")
    row = {"method": name, "scores": scores, "predict s": seconds}
    if matcher.threshold == "tuned":
        row["at"] = matcher.threshold_
    return row | {"candidates": matcher.candidate_recall_}


def tabulate(path: str, split: Split, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Make the table of a file; its first row is the baseline."""
    baseline = rows[0]["scores"]
    for row in rows:
        row |= summarise(row.pop("scores"), split.test_labels, baseline)
    return make_table(describe_split(path, split), rows, COLUMNS)


def measure_file(split: Split, n_jobs: int) -> list[dict[str, Any]]:
    """Measure the default and what can be changed without another fit."""
    matcher = PairClassifierMatcher(random_state=0, n_jobs=n_jobs)
    rows = [measure_threshold("TF-IDF char_wb(2,4)", make_tfidf(), split)]
    rows.append(measure("PairClassifierMatcher()", matcher, split))
    for name, value in VARIANTS:
        other = copy(matcher).set_params(**{name: value})
        rows.append(measure_fitted(f"the same, {name}={value}", other, split))
    return rows


def measure_embedders(
    split: Split, folder: str, model: str | None, n_jobs: int
) -> list[dict[str, Any]]:
    """Measure what the trained embedders add to the features and the candidates."""
    own = {"LSTM": make_lstm()}
    if model is not None:
        own["adapter BERT"] = AdapterBertEmbedder(model, random_state=0)
    # A pipeline with a memory is fitted once on the same titles, in any matcher.
    trained = {
        name: make_pipeline(embedder, Normalizer(), memory=folder)
        for name, embedder in own.items()
    }
    methods = {name: [embedder] for name, embedder in trained.items()}
    if len(trained) > 1:
        methods["both"] = [*trained.values()]
    # The folds of hold_out, so that the fits are shared with the single thresholds.
    folds = ClassDisjointKFold(4, shuffle=True, random_state=0)
    default = PairClassifierMatcher(cv=folds, random_state=0, n_jobs=n_jobs)
    rows = [measure_threshold("TF-IDF char_wb(2,4)", make_tfidf(), split)]
    rows.append(measure("PairClassifierMatcher()", default, split))
    for name, embedders in methods.items():
        matcher = clone(default).set_params(embedders=["tfidf", "words", *embedders])
        if name in trained:
            rows.append(measure_threshold(name, trained[name], split))
        rows.append(measure(f"matcher with {name}", matcher, split))
    names = matcher.get_pair_feature_names()
    matcher = leave_out(matcher, [n for n in names if n.startswith("pipeline")])
    rows.append(measure("the same, for candidates alone", matcher, split))
    return rows


def measure_cross_encoder(
    split: Split, model: str, n_jobs: int
) -> list[dict[str, Any]]:
    """Measure what a language model that reads both titles of a pair adds."""
    matcher = PairClassifierMatcher(random_state=0, n_jobs=n_jobs)
    rows = [
        measure_threshold("TF-IDF char_wb(2,4)", make_tfidf(), split),
        measure("PairClassifierMatcher()", matcher, split),
    ]
    n_candidates = 0

    def count(left: Any, right: Any) -> Any:
        nonlocal n_candidates
        n_candidates += len(left)
        return np.zeros(len(left))  # no classifier learns from it

    asking = clone(matcher).set_params(
        cross_encoder=Asked(model, random_state=0), pair_features=[count]
    )
    rows.append(measure("the same, asking MODEL", asking, split))
    Asked.n_pairs = n_candidates = 0
    asking.score_graph(split.test_titles)
    rows[-1]["asked"] = 2 * Asked.n_pairs / n_candidates  # which are counted twice
    return rows


class Asked(AdapterBertPairClassifier):
    """Counts the pairs that it is asked about."""

    n_pairs = 0  # by all together

    def predict_proba(self, X: Any) -> Any:
        """Return what the language model says."""
        Asked.n_pairs += len(X)
        return super().predict_proba(X)


def measure_ablation(split: Split, n_jobs: int) -> list[dict[str, Any]]:
    """Measure the matcher without a step, and without a family of features."""
    matcher = PairClassifierMatcher(random_state=0, n_jobs=n_jobs)
    rows = [measure_threshold("TF-IDF char_wb(2,4)", make_tfidf(), split)]
    rows.append(measure("all features", matcher, split))
    for name, parameters in STEPS.items():
        without = clone(matcher).set_params(**parameters)
        rows.append(measure(f"without {name}", without, split))
    names = matcher.get_pair_feature_names()
    for family, starts in FAMILIES.items():
        without = leave_out(matcher, [n for n in names if n.startswith(starts)])
        rows.append(measure(f"without {family}", without, split))
    return rows


def leave_out(
    matcher: PairClassifierMatcher, features: Sequence[str]
) -> PairClassifierMatcher:
    """Return a fitted matcher's copy whose classifiers do not see some features."""
    if not features:
        raise ValueError("there are no features to leave out; has a name changed?")
    names = matcher.get_pair_feature_names()
    indices = [names.index(name) for name in features]
    classifier = make_pipeline(
        FunctionTransformer(np.delete, kw_args={"obj": indices, "axis": 1}),
        clone(matcher.classifiers_[0]),
    )
    return clone(matcher).set_params(classifier=classifier)


def main(args: Namespace) -> None:
    """Measure what is asked for."""
    for path in args.data:
        what, notes, tables = Path(path).stem, [], []
        for ids in ("number", "str") if args.ids == "both" else (args.ids,):
            split = read_split(path, ids, args.shuffle_products)
            if args.ablation:
                rows = measure_ablation(split, args.n_jobs)
            elif args.embedders:
                rows = measure_embedders(split, args.embedders, args.model, args.n_jobs)
            elif args.cross_encoder:
                rows = measure_cross_encoder(split, args.cross_encoder, args.n_jobs)
            else:
                rows = measure_file(split, args.n_jobs)
            tables.append(tabulate(path, split, rows))
        for kind in ("ablation", "embedders", "cross_encoder"):
            what += f"-{kind.replace('_', '-')}" if getattr(args, kind) else ""
        if model := args.model or args.cross_encoder:
            notes = [f"MODEL is {Path(model).name}."]
        save_result(args, what, tables, notes)


if __name__ == "__main__":
    parser = make_parser(__doc__)
    parser.add_argument(
        "data", metavar="DATA.csv", nargs="+", help="columns title, label_group"
    )
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--ablation", action="store_true", help="leave things out")
    kind.add_argument(
        "--embedders", metavar="FOLDER", help="add trained embedders, kept in FOLDER"
    )
    kind.add_argument(
        "--cross-encoder", metavar="MODEL", help="folder of a BERT-family model to ask"
    )
    parser.add_argument("--model", help="folder of a BERT-family model")
    parser.add_argument("--n-jobs", type=int, default=2, help="threads of the matcher")
    add_split_options(parser, ("number", "str", "both"))
    main(parser.parse_args())
