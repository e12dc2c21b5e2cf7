"""
Why two titles match
====================

A person who checks matches wants to know why. ``explain`` says what the classifier saw
in a pair of titles, and what each of it added.
"""

# %%
# A matcher, and the pairs it is least sure of
# --------------------------------------------

import numpy as np

from skmatch import PairClassifierMatcher, make_product_titles, match_table

titles, product_ids = make_product_titles(240, random_state=0)
is_known = product_ids < 140
matcher = PairClassifierMatcher(random_state=0)
matcher.fit(titles[is_known], product_ids[is_known])

n_titles = np.bincount(product_ids)[product_ids]
is_new = ~is_known & (n_titles <= 6)  # small products, to see all of a neighbourhood
gallery, gallery_ids = titles[is_new], product_ids[is_new]
scores = matcher.score_graph(gallery)
table = match_table(scores, left_titles=gallery)
doubtful = table[table["score"].between(0.4, 0.8)].head(6)
for row in doubtful.itertuples():
    print(f"{row.score:.2f}  {row.left:3} {row.left_title[:60]}")
    print(f"      {row.right:3} {row.right_title[:60]}")

# %%
# What speaks for a match, and what against
# -----------------------------------------
#
# Here the products are known, and so we can ask for the surest false match. The table
# has three parts: the words of both titles and of one alone; the matches of both, over
# which the probability was averaged, each with its share of this mean; and what the
# features add to the log-odds, the largest first.

is_other = gallery_ids[table["left"]] != gallery_ids[table["right"]]
surest = table[is_other].sort_values("score").iloc[-1]
a, b = int(surest["left"]), int(surest["right"])
explanation = matcher.explain(a, b, gallery=gallery)
print(explanation)
print("\nthe same product in truth:", bool(gallery_ids[a] == gallery_ids[b]))

# %%
# How the name of a feature begins tells what it looks at: ``words_`` at the words of
# both titles and of one alone, by how rare they are, ``codes_`` at model codes,
# ``quantities_`` at sizes and pack counts, ``characters_`` at edits,
# ``tfidfvectorizer0_`` at a similarity and what it is among the other candidates,
# ``other_titles`` at what was said of the pairs around. Blue bars speak for a match and
# orange ones against it.

from skmatch.plotting import ExplanationDisplay

display = ExplanationDisplay.from_explanation(explanation)

# %%
# What a linear classifier has learned of each word speaks against this match. But
# nothing contradicts it: the size agrees, and the first title lacks the brand by which
# a person would tell the two apart.

# %%
# A title and its neighbours
# --------------------------
#
# The title of the gallery with the most neighbours, and how probable they are:

from skmatch.plotting import NeighbourhoodDisplay

display = NeighbourhoodDisplay.from_scores(
    scores,
    gallery,
    int(np.diff(scores.indptr).argmax()),
    threshold=matcher.threshold_,
    y=gallery_ids,
)

# %%
# It has no match, because none reaches the threshold. Two titles come nearest, with
# about the same probability: one of the same product, and one of another brand.
#
# Titles that are not in a gallery
# --------------------------------
#
# Two titles of your own are matched beside the titles of ``fit``. The first
# differs in a space, the second in its size.

for other in ("Zalora Shampoo Herbal 170ml", "zalora sampo jamu 340 ml"):
    said = matcher.explain("ZALORA Shampoo Herbal 170 ml", other)
    print(f"{said.probability:.2f}  {other}")
