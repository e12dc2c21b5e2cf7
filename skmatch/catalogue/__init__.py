"""Listings as they come, and the products that they are, with ids that stay.

In: titles with the ids of their listings, and a fitted matcher. Out: a product id for
each, and what changes when further ones come.

- ``_product_catalogue.py``: ProductCatalogue, what users call
- ``_input.py``: listing ids and rows, checked, as they are kept
- ``_assignment.py``: groups -> product ids that stay, and what has changed
- ``_answers.py``: what people said: the same, not the same
- ``_listings.py``: the listings and the scores of their titles, in memory
- ``_store.py``: one folder: a database of listings and changes, arrays beside it
"""

from skmatch.catalogue._assignment import Change
from skmatch.catalogue._product_catalogue import ProductCatalogue

__all__ = ["Change", "ProductCatalogue"]
