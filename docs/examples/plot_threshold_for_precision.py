"""
Choose a threshold for a wanted precision
=========================================

A wrong match can cost more than a missed one: a customer gets another product than she
ordered. Then the threshold shall not maximise F1; it shall give as many matches as
there can be of which, say, 95 % are right.
"""

# %%
# All thresholds at the cost of one
# ---------------------------------
#
# ``TunedThresholdMatcherCV`` fits the pipeline once for each fold, scores the pairs,
# and reads the score of every threshold off them. No product stands on both sides of a
# fold.

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline

from skmatch import (
    FaissThresholdMatcher,
    TunedThresholdMatcherCV,
    make_product_titles,
    pairwise_precision_recall_f1,
)

titles, product_ids = make_product_titles(1000, random_state=0)
is_new = product_ids >= 800
pipe = make_pipeline(
    TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True),
    FaissThresholdMatcher(),
)
scorings = {
    "row-wise F1": "rowwise_f1",
    "recall at precision 0.95": ("recall_at_precision", 0.95),
}
tuned = {
    name: TunedThresholdMatcherCV(pipe, scoring=scoring, cv=5).fit(
        titles[~is_new], product_ids[~is_new]
    )
    for name, scoring in scorings.items()
}

# %%
# On products never seen
# ----------------------
#
# The gallery has about as many rows as the folds had, because in a larger one more
# titles are similar by chance, and the best threshold is higher.

new_titles, new_ids = titles[is_new], product_ids[is_new]
print(f"gallery of {len(new_titles)} titles")
for name, matcher in tuned.items():
    precision, recall, _ = pairwise_precision_recall_f1(
        new_ids, matcher.predict(new_titles)
    )
    print(
        f"{name:25} threshold {matcher.best_threshold_:.3f}: "
        f"precision {precision:.3f}, recall {recall:.3f}"
    )

# %%
# The precision of new products is not exactly the wanted one: the threshold is the best
# on average over the folds, and the new titles are others. To be on the safe side, ask
# for more.
#
# The score at every threshold, and its spread over the folds:

from skmatch.plotting import ThresholdCurveDisplay

display = ThresholdCurveDisplay.from_estimator(tuned["recall at precision 0.95"])

# %%
# A fold below the wanted precision counts as 0: that is what makes the steps. The band
# is wide where some folds reach it and others do not. Nowhere does the mean say how
# surely the precision is reached on other products.

# %%
# Precision and recall at all thresholds
# --------------------------------------
#
# What a precision costs in recall, for this pipeline and for a matcher that decides
# each pair. ``FaissThresholdMatcher`` scores the pairs that reach its own threshold;
# for the curve to go on, it is a low one. A Pipeline has no ``score_graph``, so that
# its matcher scores what the steps before it make.

from skmatch import PairClassifierMatcher
from skmatch.plotting import PairPrecisionRecallDisplay

pipe.set_params(faissthresholdmatcher__threshold=0.2)
pipe.fit(titles[~is_new])
of_tfidf = pipe[-1].score_graph(pipe[:-1].transform(new_titles))

is_train = product_ids < 170
classifier = PairClassifierMatcher(cv=2, random_state=0)
classifier.fit(titles[is_train], product_ids[is_train])
display = PairPrecisionRecallDisplay.from_predictions(new_ids, of_tfidf, name="TF-IDF")
display = PairPrecisionRecallDisplay.from_predictions(
    new_ids,
    classifier.score_graph(new_titles),
    name="PairClassifierMatcher",
    ax=display.ax_,
)

# %%
# At a high precision, the matcher that decides each pair finds many more of them,
# though it has learned from far fewer products.
#
# ``PairClassifierMatcher`` takes the same ``scoring``, and then chooses its own
# threshold by it: ``PairClassifierMatcher(scoring=("recall_at_precision", 0.95))``.
