"""
Match without labels
====================

Nothing is known but the titles. ``PairClassifierMatcher`` then decides by what it has
learned from made-up titles, in which words have no meaning: that a shared rare word or
a model code speaks for a match, and a quantity that differs against it. The first fit
of a process learns this anew, which takes up to a minute of one core.
"""

# %%
# Fit on the titles themselves
# ----------------------------

from skmatch import PairClassifierMatcher, make_product_titles

titles, product_ids = make_product_titles(150, random_state=0)
matcher = PairClassifierMatcher(random_state=0).fit(titles)
print("learned from labels:", matcher.supervision_)
print(f"log-odds lowered by {matcher.log_odds_shift_:.2f}")
print(f"expected score: {matcher.best_score_}")

# %%
# ``best_score_`` is nan: without a label, nothing honest can be said of the score. The
# log-odds are lowered where the classifiers are too sure for the titles at hand; more
# than 1 or so would be a reason to doubt.
#
# Look at a sample
# ----------------
#
# So look yourself. ``suggest_pairs`` draws pairs, uncertain ones more often. Of those
# with a probability near 0.8, about four in five should be the same product.

scores = matcher.score_graph(titles)
for a, b in matcher.suggest_pairs(titles, 8):
    print(f"{scores[a, b]:.2f}  {titles[a][:38]:38}  |  {titles[b][:38]}")

# %%
# How good it is
# --------------
#
# Here the products are known after all, so that we can tell. No threshold was learned:
# each title has the matches that maximise its expected F1. For comparison, TF-IDF with
# the threshold that is best for these very titles, which nobody knows in use (an
# oracle).

from sklearn.feature_extraction.text import TfidfVectorizer

from skmatch import FaissThresholdMatcher, TunedThresholdMatcherCV, rowwise_f1_score

tfidf = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True)
vectors = tfidf.fit_transform(titles)
oracle = TunedThresholdMatcherCV(FaissThresholdMatcher().fit(vectors), cv="prefit")
oracle.fit(vectors, product_ids)
score = rowwise_f1_score(product_ids, matcher.decide(scores))
print(f"gallery of {len(titles)} titles: row-wise F1")
print(f"  no labels               {score:.3f}")
print(f"  TF-IDF, best threshold  {oracle.best_score_:.3f} (oracle)")

# %%
# The probabilities of all scored pairs, by whether they are the same product.

from skmatch.plotting import ScoreHistogramDisplay

display = ScoreHistogramDisplay.from_predictions(product_ids, scores)

# %%
# The axis is logarithmic. Most pairs of two products have a small probability;
# many pairs of the same product have one around 0.7, and so have some that are not:
# titles that differ in one common word, which nothing tells to count. A few answers
# teach it: see "Some judged pairs".
