"""
Quick start: from titles to products
====================================

Sellers word the same product differently. Here a matcher learns from titles whose
products are known, and then finds the products among titles that it has never seen: the
most accurate way that skmatch has, in a few lines.
"""

# %%
# Listings
# --------
#
# ``make_product_titles`` makes up listings as several sellers would write them, in two
# languages, with typing errors and praise. ``product_ids`` says which of them are the
# same product. We learn from 150 products, and keep 120 others to match.

from skmatch import make_product_titles

titles, product_ids = make_product_titles(270, random_state=0)
is_known = product_ids < 150
known_titles, known_ids = titles[is_known], product_ids[is_known]
new_titles, new_ids = titles[~is_known], product_ids[~is_known]
print(f"{len(known_titles)} titles to learn from, {len(new_titles)} to match")
for title in known_titles[known_ids == 3][:5]:
    print(" ", title)

# %%
# Learn
# -----
#
# ``PairClassifierMatcher`` takes titles as they are. It finds the nearest titles of
# each one, and a classifier decides each pair. The threshold of a match is chosen by
# cross-validation in which no product stands on both sides; ``best_score_`` is what
# this says of new products: the row-wise F1, how well the matches of each row fit its
# product.

from skmatch import PairClassifierMatcher

matcher = PairClassifierMatcher(random_state=0)
matcher.fit(known_titles, known_ids)
print(f"threshold {matcher.threshold_:.2f}, expected F1 {matcher.best_score_:.3f}")

# %%
# Match
# -----
#
# First score, then decide. ``score_graph`` gives the probability of each pair that may
# be the same product; ``decide`` makes matches of it. ``matcher.predict(new_titles)``
# is both in one.

from skmatch import rowwise_f1_score

scores = matcher.score_graph(new_titles)
matches = matcher.decide(scores)
score = rowwise_f1_score(new_ids, matches)
print(f"row-wise F1 {score:.3f} on a gallery of {len(new_titles)} titles")

# %%
# Group
# -----
#
# Matches are pairs. Where each title needs one product, ``group_matches`` makes groups
# of the scores, and ``groups_table`` shows them by your ids. The last column is the
# true product, which the matcher did not see.

from skmatch import bcubed_precision_recall_f1, group_matches, groups_table

groups = group_matches(scores)
table = groups_table(groups, titles=new_titles)
table["true product"] = new_ids[table["id"]]
table["title"] = table["title"].str[:50]
print(table[table["size"] == 4].head(12).to_string(index=False))
precision, recall, f1 = bcubed_precision_recall_f1(new_ids, groups)
print(f"\nB-cubed precision {precision:.3f}, recall {recall:.3f}, F1 {f1:.3f}")

# %%
# The sizes of the groups beside those of the true products. Every product has two
# titles or more: the cross at 1 counts titles that have lost their partners. The other
# crosses lie near the circles, and the largest product is found with as many rows as it
# has.

from skmatch.plotting import GroupSizesDisplay

display = GroupSizesDisplay.from_predictions(new_ids, groups)
