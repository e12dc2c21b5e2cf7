"""
Can the probabilities be trusted?
=================================

Whoever sends doubtful matches to a person, or weighs a wrong match against a missed one,
needs probabilities that mean what they say: of the pairs with 0.8, four in five should be
the same product.
"""

# %%
# Probabilities of new products
# -----------------------------

import numpy as np
from scipy.sparse import triu

from skmatch import PairClassifierMatcher, make_product_titles

titles, product_ids = make_product_titles(360, random_state=0)
is_known = product_ids < 190
matcher = PairClassifierMatcher(cv=3, random_state=0)
matcher.fit(titles[is_known], product_ids[is_known])

new_titles, new_ids = titles[~is_known], product_ids[~is_known]
scores = matcher.score_graph(new_titles)
pairs = triu(scores, k=1).tocoo()
left, right = pairs.coords
is_same = new_ids[left] == new_ids[right]
for low, high in ((0.01, 0.2), (0.2, 0.5), (0.5, 0.8), (0.8, 0.95), (0.95, 1.01)):
    chosen = (pairs.data >= low) & (pairs.data < high)
    print(
        f"{low:.2f} to {min(high, 1):.2f}: {chosen.sum():4} pairs, mean probability "
        f"{pairs.data[chosen].mean():.2f}, the same product {is_same[chosen].mean():.2f}"
    )

# %%
# The same in a picture, on as many pairs in each point: calibrated probabilities lie on
# the diagonal.

from skmatch.plotting import MatchCalibrationDisplay

MatchCalibrationDisplay.from_predictions(new_ids, scores)

# %%
# How much work is left for a person
# ----------------------------------
#
# Take what is sure as it is, and look at the rest: between two probabilities.

for low, high in ((0.05, 0.95), (0.2, 0.8)):
    is_doubtful = (pairs.data >= low) & (pairs.data < high)
    is_taken = pairs.data >= high
    print(
        f"{low} to {high}: look at {is_doubtful.sum()} pairs; of {is_taken.sum()} surer "
        f"ones {np.mean(is_same[is_taken]):.1%} are right, and "
        f"{np.sum(is_same & (pairs.data < low))} matches are lost below"
    )
