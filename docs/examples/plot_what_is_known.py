"""
What is known beside the titles
===============================

A shop lists each product once; a food is no toy; a person has said that two listings
are not the same. ``filter_pairs`` takes such knowledge between the two halves of a
matcher: after the scores, before the decision.
"""

# %%
# Listings of several shops
# -------------------------
#
# Three shops, each of which has a product at most once: of every product, we take three
# titles at most, and give each to another shop.

import numpy as np

from skmatch import PairClassifierMatcher, make_product_titles

titles, product_ids = make_product_titles(420, random_state=0)
is_known = product_ids < 170
matcher = PairClassifierMatcher(cv=3, random_state=0)
matcher.fit(titles[is_known], product_ids[is_known])

rng = np.random.default_rng(0)
rows, shops = [], []
for product in range(170, 420):
    own = np.flatnonzero(product_ids == product)[:3]
    rows.extend(own)
    shops.extend(rng.permutation(["north", "south", "west"])[: len(own)])
gallery, gallery_ids, shops = titles[rows], product_ids[rows], np.array(shops)
print(f"{len(gallery)} listings of {len(set(gallery_ids))} products")

# %%
# Score, filter, decide
# ---------------------
#
# Two listings of the same shop never match. Then there are pairs that a person has
# looked at; ``suggest_pairs`` draws them, uncertain ones more often.

from skmatch import filter_pairs, pairwise_precision_recall_f1

scores = matcher.score_graph(gallery)
across = filter_pairs(scores, source=shops)
asked = matcher.suggest_pairs(gallery, 40)
is_same = gallery_ids[asked[:, 0]] == gallery_ids[asked[:, 1]]
told = filter_pairs(
    scores, source=shops, same=asked[is_same], different=asked[~is_same]
)
graphs = {
    "titles alone": scores,
    "no match within a shop": across,
    "and 40 answers": told,
}
measured = {}
for name, graph in graphs.items():
    measured[name] = pairwise_precision_recall_f1(gallery_ids, matcher.decide(graph))
    precision, recall, f1 = measured[name]
    print(f"{name:23} precision {precision:.3f}, recall {recall:.3f}, F1 {f1:.3f}")

# %%
# The knowledge of the shops costs no match and takes away wrong ones. How good the
# scores are that are left, at every threshold:

from skmatch.plotting import PairPrecisionRecallDisplay

ax = None
for name, graph in graphs.items():
    display = PairPrecisionRecallDisplay.from_predictions(
        gallery_ids, graph, name=name, ax=ax
    )
    ax = display.ax_
