"""Row-wise F1 and speed of PairClassifierMatcher beside one threshold on TF-IDF.

    python benchmarks/rescoring.py DATA.csv [DATA.csv ...]
    python benchmarks/rescoring.py --embedders DATA.csv FOLDER [MODEL]
    python benchmarks/rescoring.py --ablation DATA.csv
    python benchmarks/rescoring.py --scale

DATA.csv has the columns ``title`` and ``label_group``; it is split by product as in
accuracy.py, and every threshold is chosen on training products. "from training" is the
score that fit expects, on galleries of a quarter of the training titles. With
``--embedders`` the trained embedders join, with MODEL, the folder of a BERT-family
model, the one on adapters too; FOLDER keeps them, so that a run that was interrupted
goes on. With ``--ablation`` the classifiers do without a family of features at a time.
With ``--scale`` titles are drawn; each has about the same number of candidates.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from copy import copy
from typing import Any

import numpy as np
from accuracy import make_tfidf, print_table, read_split, tune
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, Normalizer

from skmatch import (
    AdapterBertEmbedder,
    ClassDisjointKFold,
    FaissThresholdMatcher,
    LSTMTitleEmbedder,
    PairClassifierMatcher,
    clustered_standard_error,
    make_product_titles,
    rowwise_f1_score,
)

COLUMNS = ["data", "method", "F1", "SE", "gain", "from training", "at", "gallery"]
FORMATS = {"F1": ".3f", "SE": ".3f", "from training": ".3f", "at": ".2f"}
FORMATS |= {"gallery": ",d", "fit s": ".0f", "predict s": ".1f", "candidates": ".3f"}
FOLDS = ClassDisjointKFold(4, shuffle=True, random_state=0)
FAMILIES = {
    "words": ["words_"],
    "learned weights of words": ["words_learned"],
    "quantities and codes": ["quantities_", "codes_"],
    "edit-based": ["characters_"],
    "lengths": ["lengths_"],
    "similarities": ["tfidfvectorizer"],
}
CHANGES = {"second round": {"n_rounds": 1}, "blending": {"blend": False}}
CHANGES |= {"both of these": {"n_rounds": 1, "blend": False}}


def measure_baseline(split: tuple[Any, ...]) -> dict[str, Any]:
    """Measure TF-IDF with one threshold."""
    return measure_threshold("TF-IDF char_wb(2,4)", make_tfidf(*split[:2]), split)


def measure_threshold(
    name: str, embedder: Any, split: tuple[Any, ...]
) -> dict[str, Any]:
    """Measure an embedder with one threshold, chosen on a quarter of the products."""
    titles, labels, test_titles, test_labels = split
    fit, hold = next(FOLDS.split(titles, labels))
    held = clone(embedder).fit(titles[fit], labels[fit]).transform(titles[hold])
    tuned = tune(held, labels[hold])
    embedder = clone(embedder).fit(titles, labels)
    began = time.perf_counter()
    rows = embedder.transform(test_titles)
    matches = FaissThresholdMatcher(tuned.best_threshold_).fit_predict(rows)
    row = {"method": f"{name}, one threshold", "at": tuned.best_threshold_}
    row |= {"predict s": time.perf_counter() - began}
    row |= {"from training": tuned.best_score_}
    oracle = tune(rows, test_labels)
    print(f"oracle of {name}: {oracle.best_score_:.3f} at {oracle.best_threshold_}")
    return row | {"rows": rowwise_f1_score(test_labels, matches, average=None)}


def measure(
    name: str, matcher: PairClassifierMatcher, split: tuple[Any, ...]
) -> dict[str, Any]:
    """Measure a matcher."""
    began = time.perf_counter()
    matcher.fit(*split[:2])
    seconds = time.perf_counter() - began
    row = measure_fitted(name, matcher, split) | {"fit s": seconds}
    return row | {"from training": matcher.best_score_}


def measure_fitted(
    name: str, matcher: PairClassifierMatcher, split: tuple[Any, ...]
) -> dict[str, Any]:
    """Measure a matcher that is fitted."""
    _, _, titles, labels = split
    began = time.perf_counter()
    matches = matcher.predict(titles)
    seconds = time.perf_counter() - began
    rows = rowwise_f1_score(labels, matches, average=None)
    print(f"done: {name} {rows.mean():.4f}", file=sys.stderr, flush=True)
    row = {"method": name, "rows": rows, "predict s": seconds}
    if matcher.threshold == "tuned":
        row["at"] = matcher.threshold_
    return row | {"candidates": matcher.candidate_recall_}


def show(path: str, split: tuple[Any, ...], rows: list[dict[str, Any]]) -> None:
    """Print the rows of a file; the first one is the baseline."""
    labels = split[3]
    baseline = rows[0]["rows"]
    for row in rows:
        scores = row.pop("rows")
        gain = scores - baseline
        row["data"] = path.split("/")[-1]
        row["F1"], row["gallery"] = scores.mean(), len(labels)
        row["SE"] = clustered_standard_error(scores, labels)
        error = clustered_standard_error(gain, labels)
        row["gain"] = f"{gain.mean():+.3f} ± {error:.3f}"
    print_table(rows, [*COLUMNS, "candidates", "fit s", "predict s"], FORMATS)
    print(flush=True)


def show_files(paths: list[str]) -> None:
    """Print what the default does on each file."""
    for path in paths:
        split = read_split(path)
        rows = [measure_baseline(split)]
        matcher = PairClassifierMatcher(random_state=0, n_jobs=2)
        rows.append(measure("PairClassifierMatcher()", matcher, split))
        for name, value in (("threshold", "expected_f1"), ("nearest_for_lonely", True)):
            other = copy(matcher).set_params(**{name: value})  # nothing is learned anew
            rows.append(measure_fitted(f"the same, {name}={value}", other, split))
        show(path, split, rows)


def show_embedders(path: str, folder: str, model: str | None = None) -> None:
    """Print what the trained embedders add to the features and the candidates."""
    split = read_split(path)
    # A pipeline with a memory is fitted once on the same titles, in any matcher.
    own = {"LSTM": LSTMTitleEmbedder(random_state=0)}
    if model is not None:
        own["adapter BERT"] = AdapterBertEmbedder(model, random_state=0)
    trained = {
        name: make_pipeline(embedder, Normalizer(), memory=folder)
        for name, embedder in own.items()
    }
    methods = {name: [embedder] for name, embedder in trained.items()}
    if len(trained) > 1:
        methods["both"] = [*trained.values()]
    rows = [measure_baseline(split)]
    default = PairClassifierMatcher(cv=FOLDS, random_state=0, n_jobs=2)
    rows.append(measure("PairClassifierMatcher()", default, split))
    for name, embedders in methods.items():
        matcher = clone(default).set_params(embedders=["tfidf", "words", *embedders])
        if name in trained:
            rows.append(measure_threshold(name, trained[name], split))
        rows.append(measure(f"matcher with {name}", matcher, split))
    names = matcher.get_pair_feature_names()
    matcher = leave_out(matcher, [n for n in names if n.startswith("pipeline")])
    rows.append(measure("the same, for candidates alone", matcher, split))
    show(path, split, rows)


def leave_out(
    matcher: PairClassifierMatcher, features: Sequence[str]
) -> PairClassifierMatcher:
    """Return a fitted matcher's copy whose classifiers do not see some features."""
    names = matcher.get_pair_feature_names()
    places = [names.index(name) for name in features]
    classifier = make_pipeline(
        FunctionTransformer(np.delete, kw_args={"obj": places, "axis": 1}),
        clone(matcher.classifiers_[0]),
    )
    return clone(matcher).set_params(classifier=classifier)


def show_ablation(path: str) -> None:
    """Print what the matcher does without a family of features."""
    split = read_split(path)
    rows = [measure_baseline(split)]
    matcher = PairClassifierMatcher(random_state=0, n_jobs=2)
    rows.append(measure("all features", matcher, split))
    names = matcher.get_pair_feature_names()
    for name, parameters in CHANGES.items():
        without = clone(matcher).set_params(**parameters)
        rows.append(measure(f"without {name}", without, split))
    for family, starts in FAMILIES.items():
        features = [name for name in names if name.startswith(tuple(starts))]
        without = leave_out(matcher, features)
        rows.append(measure(f"without {family}", without, split))
    show(path, split, rows)


def show_scale() -> None:
    """Print how time grows with the titles."""
    titles, labels = make_product_titles(2500, random_state=0)
    matcher = PairClassifierMatcher(random_state=0, n_jobs=2, threshold=0.5)
    matcher.fit(titles, labels)
    rows = []
    for n_titles in (25_000, 50_000, 100_000, 200_000):
        gallery = make_product_titles(n_titles // 3, random_state=1)[0][:n_titles]
        began = time.perf_counter()
        matcher.match_probabilities(gallery)
        seconds = time.perf_counter() - began
        rows.append({"titles": len(gallery), "seconds": seconds})
        rows[-1]["microseconds a title"] = seconds / len(gallery) * 1e6
        print(f"done: {rows[-1]}", file=sys.stderr, flush=True)
    formats = {"titles": ",d", "seconds": ".0f", "microseconds a title": ",.0f"}
    print_table(rows, [*rows[0]], formats)


if __name__ == "__main__":
    words = [word for word in sys.argv[1:] if not word.startswith("--")]
    if "--embedders" in sys.argv and len(words) > 1:
        show_embedders(*words)
    elif "--ablation" in sys.argv and words:
        show_ablation(words[0])
    elif "--scale" in sys.argv:
        show_scale()
    elif words:
        show_files(words)
    else:
        sys.exit(__doc__)
