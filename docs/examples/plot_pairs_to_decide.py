"""
Pairs that are to be decided
============================

Sometimes the pairs are there: another system has proposed them, and each is to be decided.
``TitlePairClassifier`` is a classifier of scikit-learn for pairs of titles, with
``predict_proba``, cross-validation and all else.
"""

# %%
# Pairs with answers
# ------------------
#
# Two titles of every product, and pairs of similar titles of different products, as a
# search for candidates would propose them.

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.neighbors import NearestNeighbors

from skmatch import make_product_titles

titles, product_ids = make_product_titles(300, random_state=0)
vectors = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4)).fit_transform(titles)
nearest = NearestNeighbors(n_neighbors=6).fit(vectors).kneighbors(return_distance=False)
rows = np.repeat(np.arange(len(titles)), 6)
pairs = np.unique(np.sort(np.column_stack([rows, nearest.ravel()]), axis=1), axis=0)
pairs = np.random.default_rng(0).permutation(pairs)[:2500]
X = titles[pairs]
y = product_ids[pairs[:, 0]] == product_ids[pairs[:, 1]]
print(f"{len(X)} pairs, {y.mean():.0%} of them the same product")

# %%
# Score it on products that it has not seen
# -----------------------------------------
#
# ``DisjointPairsKFold`` keeps every product on one side of a split. Pairs between products
# of both sides are left out. With plain folds, titles of a test pair are in training pairs.

from sklearn.model_selection import KFold, cross_val_score

from skmatch import DisjointPairsKFold, TitlePairClassifier

classifier = TitlePairClassifier(random_state=0)
splitters = {
    "disjoint products": DisjointPairsKFold(3, shuffle=True, random_state=0),
    "plain folds": KFold(3, shuffle=True, random_state=0),
}
for name, cv in splitters.items():
    f1 = cross_val_score(classifier, X, y, cv=cv, scoring="f1")
    print(f"{name:18} F1 of the pairs {f1.mean():.3f} ± {f1.std():.3f}")
