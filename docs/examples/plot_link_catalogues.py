"""
Two catalogues, one to one
==========================

A shop wants to know which of its products a competitor sells, too. In either catalogue
a product is there once, so that each row has one partner at most: ``link_catalogues``
finds the assignment with the largest sum of scores.
"""

# %%
# Two shops
# ---------
#
# We learn from products of which we know the titles. Of the others, each shop has one
# title; every third product is in one shop alone.

import numpy as np

from skmatch import PairClassifierMatcher, make_product_titles

titles, product_ids = make_product_titles(380, random_state=0)
is_known = product_ids < 160
matcher = PairClassifierMatcher(cv=3, random_state=0)
matcher.fit(titles[is_known], product_ids[is_known])

ours, theirs = [], []
for product in range(160, 380):
    first, second, *_ = np.flatnonzero(product_ids == product)
    if product % 6 != 0:
        ours.append(first)
    if product % 6 != 3:
        theirs.append(second)
our_titles, their_titles = titles[ours], titles[theirs]
our_ids, their_ids = product_ids[ours], product_ids[theirs]
n_true = len(set(our_ids) & set(their_ids))
print(f"{len(ours)} rows of ours, {len(theirs)} of theirs, {n_true} products in both")

# %%
# Score, then link
# ----------------
#
# The other shop becomes the catalogue, in the place of the titles of ``fit``, and
# ``transform`` gives the probabilities of the matches with it: all that reach the
# threshold. The one that ``fit`` has tuned is for titles that are matched with one
# another, where a product has several; for two shops we take 0.5. ``link_catalogues``
# then leaves each row one partner.

from skmatch import link_catalogues

matcher.set_params(threshold=0.5)
matches = matcher.set_catalogue(their_titles).transform(our_titles)
links = link_catalogues(matches)
for name, found in (("all matches", matches), ("one to one", links)):
    row, column = found.nonzero()
    n_right = (our_ids[row] == their_ids[column]).sum()
    print(
        f"{name:11}  {len(row)} pairs, precision {n_right / len(row):.3f}, "
        f"recall {n_right / n_true:.3f}"
    )

# %%
# The links as a table, by the ids of both shops:

from skmatch import match_table

table = match_table(
    links,
    [f"our-{row}" for row in range(len(ours))],
    [f"their-{row}" for row in range(len(theirs))],
    left_titles=[title[:32] for title in our_titles],
    right_titles=[title[:32] for title in their_titles],
)
print(table.drop(columns="rank").head(6).to_string(index=False))

# %%
# ``matcher.explain(title_a, title_b)`` tells why two titles match. It scores them
# beside the catalogue: its probability is near that of the link, and not equal to it.
#
# How sure a link is
# ------------------
#
# The probability of each link, by whether it is right. Both catalogues have products
# that the other one lacks; their rows take the next best partner, and some of these
# links are as probable as right ones. Where such errors are dear, look at a sample.

import matplotlib.pyplot as plt

row, column = links.nonzero()
is_right = our_ids[row] == their_ids[column]
figure, ax = plt.subplots(figsize=(6.4, 4), layout="constrained")
ax.hist(
    [links.data[is_right], links.data[~is_right]],
    np.linspace(0, 1, 26),
    stacked=True,
    color=["#1F83CC", "#D55E00"],
    label=["the same product", "two products"],
)
ax.axvline(0.5, color="0.5", linestyle="--", label="threshold")
ax.set(xlabel="Probability of the link", ylabel="Links")
ax.legend(loc="upper left")
plt.show()
