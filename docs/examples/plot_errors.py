"""
What a model gets wrong
=======================

A score says how good the matches are, not what to do about the rest.
``evaluate_matches`` lists the surest mistakes of either kind, and says where they are.
"""

# %%
# A report
# --------
#
# The scores of this matcher reach far below its threshold, so that missed matches, too,
# are sorted by them: first those that a slightly lower threshold would find.

from skmatch import PairClassifierMatcher, evaluate_matches, make_product_titles

titles, product_ids = make_product_titles(320, random_state=0)
is_known = product_ids < 170
matcher = PairClassifierMatcher(cv=3, random_state=0)
matcher.fit(titles[is_known], product_ids[is_known])

new_titles, new_ids = titles[~is_known], product_ids[~is_known]
scores = matcher.score_graph(new_titles)
matches = matcher.decide(scores)
report = evaluate_matches(new_ids, matches, new_titles, scores=scores, n_examples=3)
print(report)

# %%
# Every part of it is a table, too:

false = report.to_frame("false_matches")
columns = ["row_a", "row_b", "score", "product_a", "product_b"]
print(false[columns].to_string(index=False))

# %%
# Too strict, or too low?
# -----------------------
#
# Row-wise F1 by the size of the product tells. Where the threshold is too strict, large
# products lose titles; where it is too low, titles of other products join. Three
# thresholds on the same score graph:

import matplotlib.pyplot as plt
import numpy as np

from skmatch import decide_matches, rowwise_f1_score

names = ["2", "3", "4 to 6", "7 or more"]
size_class = np.digitize(np.bincount(new_ids)[new_ids], [3, 4, 7])
n_titles = np.bincount(size_class)
figure, ax = plt.subplots(figsize=(6.4, 4), layout="constrained")
thresholds = {"#D55E00": matcher.threshold_, "#1F83CC": 0.5, "#009E73": 0.95}
for place, (colour, threshold) in enumerate(thresholds.items()):
    found = decide_matches(scores, threshold)
    of_row = rowwise_f1_score(new_ids, found, average=None)
    of_class = np.bincount(size_class, of_row) / n_titles
    print(f"threshold {threshold:.2f}: row-wise F1 {of_row.mean():.3f}")
    x = np.arange(len(names)) + 0.27 * (place - 1)
    ax.bar(x, of_class, 0.25, color=colour, label=f"{threshold:.2f}")
ax.set_xticks(
    range(len(names)),
    [f"{name}\n({n} rows)" for name, n in zip(names, n_titles, strict=True)],
)
ax.set(xlabel="Titles of the product", ylabel="Row-wise F1", ylim=(0, 1))
figure.legend(title="Threshold", loc="outside upper center", ncols=3)
plt.show()

# %%
# The highest threshold costs the large products most, since every title of theirs has
# to match every other one; products of two titles have a higher score there than at the
# lowest one.
