"""
Listings that arrive every day
==============================

A marketplace gets listings every day, and wants product ids that stay. A
``ProductCatalogue`` keeps listings and products in a folder; each day's listings join
the products that are there, or begin new ones.
"""

# %%
# A matcher, and the listings of six days
# ---------------------------------------
#
# The matcher is fitted once, on products that are known. The listings are of other
# products, and come in any order: two fifths of them are there already on the first
# day.

import numpy as np

from skmatch import PairClassifierMatcher, make_product_titles

titles, product_ids = make_product_titles(240, random_state=0)
is_known = product_ids < 120
matcher = PairClassifierMatcher(cv=2, random_state=0)
matcher.fit(titles[is_known], product_ids[is_known])

new_titles, new_ids = titles[~is_known], product_ids[~is_known]
listing_ids = [f"listing-{row}" for row in range(len(new_titles))]
first = 2 * len(new_titles) // 5
days = np.split(
    np.arange(len(new_titles)), np.linspace(first, len(new_titles), 6, dtype=int)[:-1]
)

# %%
# Day by day
# ----------
#
# The first call makes the folder, with the matcher in it; the later ones need the
# folder alone. Each call is a transaction: a program that is killed leaves the folder
# as it was before the call or after it. ``changes`` tells what has happened since a
# revision.

from collections import Counter
from tempfile import TemporaryDirectory

from skmatch import ProductCatalogue

temporary = TemporaryDirectory()
folder = f"{temporary.name}/products"
ProductCatalogue(folder, matcher).close()
history = []
for number, day in enumerate(days, start=1):
    with ProductCatalogue(folder) as catalogue:
        seen = catalogue.revision
        catalogue.add(new_titles[day], [listing_ids[row] for row in day])
        kinds = Counter(change.kind for change in catalogue.changes(since=seen))
        history.append({"products": len(catalogue.products()), **kinds})
    print(f"day {number:2}: {len(day)} listings, {dict(kinds)}")

# %%
# Products that meet
# ------------------
#
# Where a new listing shows that two products are one, or that one is two, other systems
# have to follow. An id is never used for another product.

with ProductCatalogue(folder, read_only=True) as catalogue:
    changes = catalogue.changes()
moves = [change for change in changes if change.kind in ("merged", "split", "moved")]
print(f"{len(moves)} such changes, the last of them:")
for change in moves[-4:]:
    print(f"  {change.kind}: {change.product} -> {change.other}")
    for listing in change.listings[:2]:
        print("      ", new_titles[listing_ids.index(listing)])

# %%
# What people know
# ----------------
#
# ``merge`` and ``split`` say what a person has decided, and bind all that comes later.

with ProductCatalogue(folder) as catalogue:
    first, second = (
        catalogue.find([listing_ids[row]])[0] for row in (0, len(listing_ids) - 1)
    )
    print("merged into", catalogue.merge([first, second]))
    print("and apart again as", catalogue.split([listing_ids[-1]]))

# %%
# Day by day or all at once
# -------------------------
#
# The products of six days, compared with those of a single matching of all listings.

from skmatch import bcubed_precision_recall_f1, group_matches

with ProductCatalogue(folder, read_only=True) as catalogue:
    by_day = catalogue.find(listing_ids)
at_once = group_matches(matcher.score_graph(new_titles))
for name, products in (("day by day", by_day), ("at once", at_once)):
    f1 = bcubed_precision_recall_f1(new_ids, products)[2]
    print(f"{name:10}  {len(set(products))} products, B-cubed F1 {f1:.3f}")
temporary.cleanup()

# %%
# How the catalogue grew.

import matplotlib.pyplot as plt

figure, ax = plt.subplots(figsize=(6.4, 4), layout="constrained")
x = np.arange(1, len(days) + 1)
ax.plot(x, np.cumsum([len(day) for day in days]), "o-", color="0.5", label="listings")
ax.plot(
    x, [day["products"] for day in history], "o-", color="#1F83CC", label="products"
)
n_true = [len(set(new_ids[: day[-1] + 1])) for day in days]
ax.plot(x, n_true, "--", color="#D55E00", label="products in truth")
ax.set(xlabel="Day", ylabel="In the catalogue", xticks=x, ylim=(0, None))
ax.legend()
plt.show()

# %%
# At first the catalogue has fewer products than there are: similar ones are taken for
# one product, until more of their listings come and part them. That is what the splits
# are. Begin with as many listings as you have.
