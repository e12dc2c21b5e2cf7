"""Find the same products among titles that were never seen, in a minute or two.

Two methods learn from two thirds of the products and match the titles of the others:
TF-IDF of character n-grams, the baseline, and an LSTMTitleEmbedder. Each one's
threshold is chosen by cross-validation on the training products.
"""

from tempfile import TemporaryDirectory

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline

from skmatch import (
    ClassDisjointKFold,
    FaissThresholdMatcher,
    LSTMTitleEmbedder,
    make_product_titles,
    rowwise_f1_score,
    rowwise_f1_scorer,
)

titles, product_ids = make_product_titles(n_products=600, random_state=0)
is_new = product_ids >= 400
print(
    f"{(~is_new).sum()} titles to learn from; gallery to match: {is_new.sum()} titles "
    f"of {len(set(product_ids[is_new]))} products never seen\n"
)

embedders = {
    "TF-IDF": TfidfVectorizer(
        analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True
    ),
    "LSTM": LSTMTitleEmbedder(random_state=0),
}
for name, embedder in embedders.items():
    with TemporaryDirectory() as folder:  # one fit of the embedder for all thresholds
        pipe = Pipeline(
            [("embed", embedder), ("match", FaissThresholdMatcher())], memory=folder
        )
        search = GridSearchCV(
            pipe,
            {"match__threshold": [0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75]},
            scoring=rowwise_f1_scorer,
            cv=ClassDisjointKFold(2),
        )
        search.fit(titles[~is_new], product_ids[~is_new])
    matches = search.predict(titles[is_new])
    score = rowwise_f1_score(product_ids[is_new], matches)
    threshold = search.best_params_["match__threshold"]
    print(f"{name:6} row-wise F1 {score:.3f} at threshold {threshold}", flush=True)

print("\nSome matches of the LSTM, with their cosine similarity:")
new_titles, new_ids = titles[is_new], product_ids[is_new]
embeddings = search.best_estimator_["embed"].transform(new_titles)
for row in range(5):
    print(new_titles[row])
    for match in matches[[row]].indices[:4]:
        if match != row:
            similarity = embeddings[row] @ embeddings[match]
            verdict = "right" if new_ids[row] == new_ids[match] else "wrong"
            print(f"  {similarity:.3f}  {new_titles[match]}  ({verdict})")
