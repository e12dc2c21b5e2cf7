"""
Embedders beside TF-IDF
=======================

An embedder turns titles into vectors, and titles whose vectors are similar match.
TF-IDF of character n-grams is the baseline: fitted in no time, and hard to beat.
Measure it beside every other embedder, on the same gallery.
"""

# %%
# Three parts of the titles
# -------------------------
#
# The embedders learn from some products, the threshold is chosen on others, and the
# score is measured on a third part: what counts is how they do on products that they
# have never seen.

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_union

from skmatch import LSTMTitleEmbedder, make_product_titles

titles, product_ids = make_product_titles(320, random_state=0)
is_train = product_ids < 120
is_new = product_ids >= 220
is_tuning = ~is_train & ~is_new
print(
    f"titles: {is_train.sum()} to learn from, {is_tuning.sum()} for the threshold, "
    f"{is_new.sum()} in the gallery"
)


def make_tfidf():
    """Make the baseline."""
    return TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True)


lstm = LSTMTitleEmbedder(embedding_dim=256, n_epochs=6, device="cpu", random_state=0)
embedders = {
    "TF-IDF of words": TfidfVectorizer(sublinear_tf=True),
    "TF-IDF of n-grams": make_tfidf(),
    "LSTMTitleEmbedder": lstm,
}
for embedder in embedders.values():
    embedder.fit(titles[is_train], product_ids[is_train])

# %%
# Measure
# -------
#
# With ``cv="prefit"`` the embedder stays as it is, and the threshold is chosen on the
# rows that ``fit`` gets.

import numpy as np

from skmatch import (
    FaissThresholdMatcher,
    TunedThresholdMatcherCV,
    clustered_standard_error,
    rowwise_f1_score,
)


def measure(embedder):
    """Return the row-wise F1 of the gallery, its standard error, and the threshold."""
    tuning, new = (embedder.transform(titles[part]) for part in (is_tuning, is_new))
    matcher = FaissThresholdMatcher().fit(tuning)
    tuned = TunedThresholdMatcherCV(matcher, cv="prefit")
    tuned.fit(tuning, product_ids[is_tuning])
    of_row = rowwise_f1_score(product_ids[is_new], tuned.predict(new), average=None)
    error = clustered_standard_error(of_row, product_ids[is_new])
    return np.mean(of_row), error, tuned.best_threshold_


# %%
# Vectors of two embedders side by side are one embedder: their similarity is the mean
# of both. These are fitted already, and stay as they are.

from sklearn.frozen import FrozenEstimator

both = make_union(
    FrozenEstimator(embedders["TF-IDF of n-grams"]), FrozenEstimator(lstm)
)
embedders["n-grams and LSTM"] = both.fit(titles[is_train])
measured = {name: measure(embedder) for name, embedder in embedders.items()}
for name, (score, error, threshold) in measured.items():
    print(f"{name:18} row-wise F1 {score:.3f} ± {error:.3f}, threshold {threshold:.2f}")

# %%
# How the LSTM has learned
# ------------------------
#
# An epoch is a pass over the titles. A tenth of the products is kept out of the
# training, and the epoch that scores best on these is kept.

from skmatch.plotting import TrainingHistoryDisplay

display = TrainingHistoryDisplay.from_estimator(lstm)

# %%
# The scores, with their standard errors:

import matplotlib.pyplot as plt

scores, errors, _ = zip(*measured.values(), strict=True)
figure, ax = plt.subplots(figsize=(6.4, 3), layout="constrained")
ax.barh([*measured], scores, xerr=errors, color="#1F83CC", capsize=4)
ax.invert_yaxis()
ax.set(xlim=(0, 1), xlabel=f"Row-wise F1 on a gallery of {is_new.sum()} titles")
plt.show()

# %%
# The learned vectors are ahead on these titles, in which the same word comes in two
# languages. That need not be so on yours: measure.
