"""Find the same products among titles that were never seen, in a minute or two.

Three methods learn from two thirds of the products and match the titles of the others:
TF-IDF of character n-grams, the baseline, and an LSTMTitleEmbedder, each with the best
threshold by cross-validation on the training products, and a PairClassifierMatcher. The
matches of the last one become groups: the products.
"""

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline

from skmatch import (
    FaissThresholdMatcher,
    LSTMTitleEmbedder,
    PairClassifierMatcher,
    TunedThresholdMatcherCV,
    group_matches,
    make_product_titles,
    rowwise_f1_score,
)

titles, product_ids = make_product_titles(n_products=600, random_state=0)
is_new = product_ids >= 400
new_titles, new_ids = titles[is_new], product_ids[is_new]
print(
    f"{(~is_new).sum()} titles to learn from; gallery to match: {is_new.sum()} titles "
    f"of {len(set(new_ids))} products never seen\n"
)

tfidf = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True)
lstm = LSTMTitleEmbedder(random_state=0)
methods = {
    "TF-IDF, one threshold": TunedThresholdMatcherCV(
        make_pipeline(tfidf, FaissThresholdMatcher()), cv=2
    ),
    "LSTMTitleEmbedder, one threshold": TunedThresholdMatcherCV(
        make_pipeline(lstm, FaissThresholdMatcher()), cv=2
    ),
    "PairClassifierMatcher": PairClassifierMatcher(random_state=0, cv=2),
}
for name, matcher in methods.items():
    matcher.fit(titles[~is_new], product_ids[~is_new])
    matches = matcher.predict(new_titles)
    score = rowwise_f1_score(new_ids, matches)
    print(f"{name:34} row-wise F1 {score:.3f}", flush=True)

groups = group_matches(matcher.score_graph(new_titles))
print(f"\n{groups.max() + 1} groups; the first three, with the true product of each:")
for group in range(3):
    for row in (groups == group).nonzero()[0]:
        print(f"  {group}  {new_ids[row]}  {new_titles[row]}")
