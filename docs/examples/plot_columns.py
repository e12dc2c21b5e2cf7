"""
A price, a brand, a model number
================================

Listings have more than a title. Columns beside it are joined to it as words unless they
are named; a price says more if it is compared as a number, a brand as a brand, and a
model number as a code. Values may be missing there.
"""

# %%
# A table of listings
# -------------------
#
# We make up the three columns, with noise and gaps: prices differ by some per cent from
# shop to shop, and a third of the values of each column is missing.

import numpy as np
import pandas as pd

from skmatch import make_product_titles

titles, product_ids = make_product_titles(220, random_state=0)
rng = np.random.default_rng(0)
n_products = product_ids.max() + 1
brands = np.array([f"brand {letter}" for letter in "abcdefghijkl"], dtype=object)
prices = rng.lognormal(3, 1, n_products)[product_ids]
table = pd.DataFrame(
    {
        "title": titles,
        "price": (prices * rng.uniform(0.95, 1.05, len(titles))).round(2),
        "brand": rng.choice(brands, n_products)[product_ids],
        "model": [f"MX-{1000 + 7 * product}" for product in product_ids],
    }
)
for column in ("price", "brand", "model"):
    table[column] = table[column].mask(rng.random(len(table)) < 1 / 3)
print(table.assign(title=table["title"].str[:40]).head(6).to_string())

# %%
# With and without the columns
# ----------------------------
#
# ``columns`` says what each of them is; all others make the title. The gallery are the
# titles of products that no matcher has seen.

from skmatch import PairClassifierMatcher, clustered_standard_error, rowwise_f1_score

is_known = product_ids < 100
choices = {
    "title alone": {},
    "and price": {"price": "numeric"},
    "and price, brand, model": {
        "price": "numeric",
        "brand": "category",
        "model": "code",
    },
}
measured = {}
for name, columns in choices.items():
    X = table[["title", *columns]]
    matcher = PairClassifierMatcher(columns=columns, cv=2, random_state=0)
    matcher.fit(X[is_known], product_ids[is_known])
    new_ids = product_ids[~is_known]
    of_row = rowwise_f1_score(new_ids, matcher.predict(X[~is_known]), average=None)
    measured[name] = of_row.mean(), clustered_standard_error(of_row, new_ids)
    score, error = measured[name]
    print(f"{name:23} row-wise F1 {score:.3f} ± {error:.3f}")

# %%
# The same as a picture; the lines are standard errors.

import matplotlib.pyplot as plt

scores, errors = zip(*measured.values(), strict=True)
figure, ax = plt.subplots(figsize=(6.4, 3), layout="constrained")
ax.barh([*measured], scores, xerr=errors, color="#1F83CC", capsize=4)
ax.invert_yaxis()
ax.set(xlim=(0, 1), xlabel=f"Row-wise F1 on a gallery of {len(new_ids)} titles")
plt.show()

# %%
# Each column tells apart what the titles leave open.
