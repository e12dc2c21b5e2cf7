"""
Tune a pipeline, and score what tuning brings
=============================================

Embedder and matcher are a Pipeline, so that ``GridSearchCV`` tunes them together. Two
things are to be watched: no product may stand on both sides of a split, and the best
score of a search may be too high, because it was chosen.
"""

# %%
# A grid over the embedder and the threshold
# ------------------------------------------
#
# ``ClassDisjointKFold`` is GroupKFold whose groups are ``y``. ``refit`` is on, so that
# the search ends as a matcher with the best parameters.

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline

from skmatch import (
    ClassDisjointKFold,
    FaissThresholdMatcher,
    make_product_titles,
    rowwise_f1_scorer,
)

titles, product_ids = make_product_titles(150, random_state=0)
pipe = Pipeline(
    [
        ("embed", TfidfVectorizer(analyzer="char_wb", sublinear_tf=True)),
        ("match", FaissThresholdMatcher()),
    ]
)
grid = {
    "embed__ngram_range": [(1, 2), (2, 2), (2, 3), (2, 4)],
    "match__threshold": [0.3, 0.4, 0.5, 0.6, 0.7],
}
folds = ClassDisjointKFold(3, shuffle=True, random_state=0)
search = GridSearchCV(pipe, grid, scoring=rowwise_f1_scorer, cv=folds)
search.fit(titles, product_ids)
print(f"{len(titles)} titles, folds of about {len(titles) // 3}")
print("best:", search.best_params_)
print(f"row-wise F1 on the folds that it was chosen by: {search.best_score_:.3f}")

# %%
# The whole grid. Short n-grams are often shared by chance: at a low threshold they
# score worst, and at a high one best. Tune the two together.

import matplotlib.pyplot as plt
import numpy as np

shape = [len(values) for values in grid.values()]
scores = np.reshape(search.cv_results_["mean_test_score"], shape)
figure, ax = plt.subplots(figsize=(6.4, 4), layout="constrained")
image = ax.imshow(scores, cmap="viridis", aspect="auto")
for (row, column), score in np.ndenumerate(scores):
    dark = score < (scores.min() + scores.max()) / 2
    colour = "white" if dark else "black"
    ax.text(column, row, f"{score:.2f}", ha="center", va="center", color=colour)
ax.set_xticks(range(shape[1]), grid["match__threshold"])
ax.set_yticks(range(shape[0]), [f"{a} to {b}" for a, b in grid["embed__ngram_range"]])
ax.set(xlabel="Threshold", ylabel="Characters of an n-gram")
figure.colorbar(image, label="Row-wise F1")
plt.show()

# %%
# Nested cross-validation
# -----------------------
#
# To score the search itself, wrap it into another cross-validation: each outer fold is
# matched by a search that has not seen its products. ``ClassDisjointKFold`` reads
# ``y``, and so it works in nested cross-validation, where scikit-learn does not pass
# ``groups`` on.

from sklearn.model_selection import cross_val_score

outer = ClassDisjointKFold(3, shuffle=True, random_state=1)
nested = cross_val_score(
    search, titles, product_ids, scoring=rowwise_f1_scorer, cv=outer
)
print("outer folds:", nested.round(3))
print(f"row-wise F1 of the search on new products: {nested.mean():.3f}")

# %%
# The folds differ by more than the two figures do: twenty settings of a model with
# little to learn leave little to chance. The more there is to choose, the more this
# matters.

# %%
# What happens with plain folds
# -----------------------------
#
# ``KFold`` parts the titles of a product, so that most titles of a fold have no partner
# in it. That is another gallery than the one in use, and its score another one: too
# high here, though TF-IDF learns nothing of products. With embedders that learn, it is
# worse.

from sklearn.model_selection import KFold

plain = GridSearchCV(
    pipe, grid, scoring=rowwise_f1_scorer, cv=KFold(3, shuffle=True, random_state=0)
)
plain.fit(titles, product_ids)
print("plain folds choose", plain.best_params_)
print(f"and say {plain.best_score_:.3f}")

# %%
# The threshold alone
# -------------------
#
# For the threshold there is a shorter way: ``TunedThresholdMatcherCV`` tries all of
# them at the cost of one.

from skmatch import TunedThresholdMatcherCV

pipe.set_params(embed__ngram_range=search.best_params_["embed__ngram_range"])
tuned = TunedThresholdMatcherCV(pipe, cv=folds).fit(titles, product_ids)
print(f"threshold {tuned.best_threshold_:.3f}, row-wise F1 {tuned.best_score_:.3f}")
