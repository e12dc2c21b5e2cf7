"""
Some judged pairs
=================

No product ids, but an hour of somebody's time. The matcher suggests the pairs whose
answers teach most, a person says "same" or "not the same", and the matcher is fitted
again. Here the product ids answer in the person's place.
"""

# %%
# One round
# ---------
#
# Start without a label, ask, and fit again with the answers. This matcher, too, learns
# first from made-up titles, which takes up to a minute of one core.

from skmatch import PairClassifierMatcher, make_product_titles, rowwise_f1_score

titles, product_ids = make_product_titles(90, random_state=1)


def ask(pairs):
    """Answer for the person who looks at the two titles of each pair."""
    return product_ids[pairs[:, 0]] == product_ids[pairs[:, 1]]


matcher = PairClassifierMatcher(random_state=0).fit(titles)
pairs = matcher.suggest_pairs(titles, 60)
answers = ask(pairs)
print(f"{len(pairs)} pairs, {answers.sum()} of them the same product")
for (a, b), is_same in zip(pairs[:6], answers, strict=False):
    verdict = "same" if is_same else "not the same"
    print(f"  {verdict:12}  {titles[a][:34]:34}  |  {titles[b][:34]}")

# %%
# The answers bind: judged pairs have a probability of 1 or 0 from now on. All other
# pairs are scored by what was learned.

before = rowwise_f1_score(product_ids, matcher.predict(titles))
matcher.fit(titles, pairs=pairs, is_match=answers)
after = rowwise_f1_score(product_ids, matcher.predict(titles))
print(f"gallery of {len(titles)} titles: row-wise F1 {before:.3f}, then {after:.3f}")
print("learned from:", matcher.supervision_)

# %%
# What more answers bring
# -----------------------
#
# ``LabelCurveDisplay`` repeats this round by round, keeping all answers: each fit
# starts anew, with the pairs of all rounds.

from skmatch.plotting import LabelCurveDisplay

display = LabelCurveDisplay.from_estimator(
    PairClassifierMatcher(random_state=0),
    titles,
    product_ids,
    n_pairs=(0, 60, 120, 180),
)

# %%
# The first answers bring the most. Judged pairs are pairs of this gallery, and count in
# the score; with few titles, that is part of the rise.
