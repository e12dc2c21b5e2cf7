"""
From matches to products
========================

Matches are pairs: a may match b, and b match c, though a does not match c. A shop that
wants one page for each product needs groups, and there is more than one way to make
them.
"""

# %%
# Scores of a gallery
# -------------------

from skmatch import PairClassifierMatcher, make_product_titles

titles, product_ids = make_product_titles(320, random_state=0)
is_known = product_ids < 170
matcher = PairClassifierMatcher(cv=3, random_state=0)
matcher.fit(titles[is_known], product_ids[is_known])

new_titles, new_ids = titles[~is_known], product_ids[~is_known]
scores = matcher.score_graph(new_titles)
matches = matcher.decide(scores)

# %%
# Chains are no groups
# --------------------
#
# "components" joins all that a chain of matches joins: one wrong match glues two
# products together. "average" merges groups as long as the mean score of their pairs is
# at least 0.5, "complete" as long as the smallest one is, and "louvain" looks for parts
# that are dense within. B-cubed precision and recall compare groups with products.

from skmatch import bcubed_precision_recall_f1, group_matches

groups = {
    "components of matches": group_matches(matches, method="components"),
    "average": group_matches(scores, method="average"),
    "complete": group_matches(scores, method="complete"),
    "louvain": group_matches(scores, method="louvain"),
}
print(f"{len(new_ids)} titles of {len(set(new_ids))} products; B-cubed:")
for name, labels in groups.items():
    precision, recall, f1 = bcubed_precision_recall_f1(new_ids, labels)
    print(
        f"{name:22} {labels.max() + 1:3} groups, precision {precision:.3f}, "
        f"recall {recall:.3f}, F1 {f1:.3f}"
    )

# %%
# The threshold of the grouping is its own
# ----------------------------------------
#
# That of the matches maximises row-wise F1, and says little of chains. So we try
# several thresholds for each way. Whoever wants to choose one does this on known
# products.

import matplotlib.pyplot as plt
import numpy as np

thresholds = np.linspace(0.05, 0.95, 19)
figure, ax = plt.subplots(figsize=(6.4, 4), layout="constrained")
colours = {"components": "#D55E00", "average": "#1F83CC", "complete": "#009E73"}
for method, colour in colours.items():
    f1 = [
        bcubed_precision_recall_f1(
            new_ids, group_matches(scores, method=method, threshold=threshold)
        )[2]
        for threshold in thresholds
    ]
    ax.plot(thresholds, f1, color=colour, label=method)
ax.set(xlabel="Threshold of the grouping", ylabel="B-cubed F1")
ax.legend(title=f"{len(new_ids)} titles")
plt.show()

# %%
# A strict threshold is good for chains, and "components" are then as good as any; at
# the threshold of the matches they are not. "average" and "complete" hardly depend on
# it, up to where it parts the products themselves.
#
# How large the groups are, beside the true products:

from skmatch.plotting import GroupSizesDisplay

display = GroupSizesDisplay.from_predictions(new_ids, groups["average"])
