"""
Can the probabilities be trusted?
=================================

Whoever sends doubtful matches to a person, or weighs a wrong match against a missed
one, needs probabilities that mean what they say: of the pairs with 0.8, four in five
should be the same product.
"""

# %%
# Probabilities of new products
# -----------------------------
#
# In the gallery, no product has more than 20 titles, which is how many candidates the
# matcher looks at for each title (``n_candidates``). The last part of this page shows
# why.

import numpy as np

from skmatch import PairClassifierMatcher, make_product_titles

titles, product_ids = make_product_titles(360, random_state=0)
n_titles = np.bincount(product_ids)[product_ids]
is_known = product_ids < 170
matcher = PairClassifierMatcher(cv=3, random_state=0)
matcher.fit(titles[is_known], product_ids[is_known])

is_new = ~is_known & (n_titles <= matcher.n_candidates)
scores = matcher.score_graph(titles[is_new])
print(f"gallery of {is_new.sum()} titles")

# %%
# The share of pairs that are the same product, by probability. Calibrated probabilities
# lie on the diagonal.

from skmatch.plotting import MatchCalibrationDisplay

display = MatchCalibrationDisplay.from_predictions(product_ids[is_new], scores)

# %%
# From about 0.4 on, probabilities mean what they say, or are a little too low; so are
# the smallest ones.

# %%
# How much work is left for a person
# ----------------------------------
#
# Take what is sure as it is, leave what is next to impossible, and look at the rest.

from scipy.sparse import triu

pairs = triu(scores, k=1).tocoo()
left, right = pairs.coords
new_ids = product_ids[is_new]
is_same = new_ids[left] == new_ids[right]
for low, high in ((0.05, 0.95), (0.1, 0.9), (0.2, 0.8)):
    is_sure = pairs.data >= high
    to_see = np.sum((pairs.data >= low) & ~is_sure)
    n_lost = np.sum(is_same & (pairs.data < low))
    print(
        f"from {low} to {high}: look at {to_see} pairs; {is_sure.sum()} are taken "
        f"unseen, {is_same[is_sure].mean():.1%} of them right, and {n_lost} are lost"
    )

# %%
# Products with more titles than candidates
# -----------------------------------------
#
# Now the same gallery with the largest products. Two titles of a product of 50 are
# often no candidates of one another, so that the classifier never sees them;
# propagation, which takes the mean over the matches of both, counts such pairs as
# impossible. All probabilities of the product are lowered. Where you have such
# products, raise ``n_candidates`` above the number of their titles.

is_larger = ~is_known & ~is_new
print(f"{is_larger.sum()} titles of {len(set(product_ids[is_larger]))} larger products")
all_scores = matcher.score_graph(titles[~is_known])
display = MatchCalibrationDisplay.from_predictions(product_ids[~is_known], all_scores)

# %%
# From about 0.2 to 0.7, the points lie far above the diagonal: most pairs that are said
# to be doubtful are the same product.
