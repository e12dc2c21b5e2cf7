"""Product titles that behave like real listings, made without a download."""

from __future__ import annotations

from numbers import Integral
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state, check_scalar


class _Category(NamedTuple):
    """What titles of one kind of product are made of, in English/Indonesian."""

    noun: str
    words: str
    unit: str
    amounts: tuple[int, ...]


_CATEGORIES = (
    _Category(
        "face cream/krim wajah",
        "whitening/pemutih night/malam day/siang acne/jerawat gentle/lembut "
        "aloe/lidah-buaya",
        "g/gr",
        (10, 15, 20, 30, 50, 100),
    ),
    _Category(
        "milk powder/susu bubuk",
        "vanilla/vanila chocolate/coklat honey/madu plain/tawar kids/anak "
        "fullcream/instan",
        "g/gram",
        (150, 300, 400, 750, 800, 1000),
    ),
    _Category(
        "shampoo/sampo",
        "hair-fall/rambut-rontok dandruff/ketombe soft/halus black/hitam herbal/jamu "
        "daily/harian",
        "ml/ml",
        (70, 90, 170, 180, 340, 680),
    ),
    _Category(
        "phone case/casing hp",
        "soft/lentur clear/bening black/hitam leather/kulit matte/doff glitter/kilau",
        "inch/inci",
        (5, 6, 7),
    ),
    _Category(
        "power bank/powerbank",
        "fast/cepat slim/tipis mini/mini white/putih digital/digital wireless/nirkabel",
        "mah/mah",
        (5000, 8000, 10000, 12000, 20000),
    ),
    _Category(
        "women dress/gamis wanita",
        "long/panjang flower/bunga plain/polos red/merah batik/batik party/pesta",
        "cm/cm",
        (100, 110, 120, 135, 140),
    ),
    _Category(
        "cooking oil/minyak goreng",
        "palm/sawit coconut/kelapa refill/isi-ulang bottle/botol premium/premium "
        "pure/murni",
        "l/liter",
        (1, 2, 5),
    ),
    _Category(
        "led lamp/lampu led",
        "white/putih warm/kuning sensor/sensor emergency/darurat round/bulat "
        "ceiling/plafon",
        "watt/w",
        (3, 5, 7, 9, 12, 15, 18),
    ),
    _Category(
        "baby diapers/popok bayi",
        "pants/celana night/malam newborn/bayi-baru dry/kering soft/lembut large/besar",
        "pcs/isi",
        (20, 28, 34, 38, 44, 50, 60),
    ),
    _Category(
        "coffee/kopi",
        "black/hitam milk/susu robusta/robusta arabica/arabika ground/bubuk "
        "sachet/saset",
        "g/gr",
        (65, 100, 165, 200, 250, 500),
    ),
    _Category(
        "school bag/tas sekolah",
        "kids/anak girl/cewek boy/cowok waterproof/anti-air large/besar blue/biru",
        "l/liter",
        (12, 15, 20, 25, 30),
    ),
    _Category(
        "drill machine/mesin bor",
        "cordless/baterai impact/tembok hand/tangan iron/besi wood/kayu set/set",
        "mm/mm",
        (6, 8, 10, 13, 16),
    ),
)
_PROMOTIONS = (
    *("promo", "original", "sale", "murah", "ready stock", "new", "termurah"),
    *("best seller", "gratis ongkir", "official", "diskon", "import", "bpom", "cod"),
    *("terlaris", "100% ori", "grosir", "free gift"),
)
_SYLLABLES = [consonant + vowel for consonant in "bdfklmnrstvz" for vowel in "aio"]
_ENDINGS = ["", "n", "x", "r", "s", "l"]


def make_product_titles(
    n_products: int = 1000,
    *,
    random_state: int | np.random.RandomState | None = None,
) -> tuple[NDArray[np.object_], NDArray[np.int64]]:
    """Make listings of products, as several sellers would write them.

    A product has a brand, a category, a few properties, a quantity with its unit and,
    in most cases, a model number. Some products differ from another in nothing
    but one number. Each listing of a product is in one of two languages, and reorders
    and drops words, adds a seller's praise, changes case and makes typing errors.

    Parameters
    ----------
    n_products : int, default=1000
        Number of products, at least 1.
    random_state : int, RandomState instance or None, default=None
        Seed of everything that is drawn; an int makes the result reproducible.

    Returns
    -------
    titles : ndarray of shape (n_titles,), dtype object
        The listings, as str, in random order. Every product has 2 to 51 of them, about
        3 in the mean.
    product_ids : ndarray of shape (n_titles,), dtype int64
        The product of each listing, in ``[0, n_products)``.

    Raises
    ------
    ValueError
        If `n_products` is smaller than 1.

    Examples
    --------
    >>> from skmatch import make_product_titles
    >>> titles, product_ids = make_product_titles(n_products=200, random_state=0)
    >>> len(set(product_ids.tolist()))
    200
    """
    check_scalar(n_products, "n_products", Integral, min_val=1)
    n_products = int(n_products)  # numpy refuses True
    rng = check_random_state(random_state)
    brands = [_make_brand(rng) for _ in range(max(5, n_products // 5))]
    drawn: dict[_Product, None] = {}  # without those that are drawn again
    while len(drawn) < n_products:
        product = _draw_product(rng, brands)
        drawn[product] = None
        while len(drawn) < n_products and rng.random_sample() < 0.2:
            drawn[_change_one_number(rng, product)] = None
    products = list(drawn)
    sizes = np.minimum(2 + (rng.pareto(1.5, n_products)).astype(np.int64), 51)
    product_ids = rng.permutation(np.repeat(np.arange(n_products), sizes))
    titles = np.empty(product_ids.size, dtype=object)
    titles[:] = [_write_title(rng, products[product]) for product in product_ids]
    return titles, product_ids


class _Product(NamedTuple):
    """One product, before a seller words it."""

    brand: str
    category: _Category
    words: tuple[str, ...]
    amount: int
    model: str


def _make_brand(rng: np.random.RandomState) -> str:
    """Make up a brand's name."""
    syllables = rng.choice(_SYLLABLES, rng.randint(2, 4))
    return "".join(syllables) + rng.choice(_ENDINGS)


def _draw_product(rng: np.random.RandomState, brands: list[str]) -> _Product:
    """Draw a product at random."""
    category = _CATEGORIES[rng.randint(len(_CATEGORIES))]
    words = rng.choice(category.words.split(), rng.randint(2, 5), replace=False)
    has_model = rng.random_sample() < 0.6
    letters = "".join(rng.choice(list("abcdefghkmprstvx"), 2))
    model = f"{letters}{rng.randint(10, 1000)}" if has_model else ""
    return _Product(
        brands[rng.randint(len(brands))],
        category,
        tuple(sorted(words.tolist())),
        int(rng.choice(category.amounts)),
        model,
    )


def _change_one_number(rng: np.random.RandomState, product: _Product) -> _Product:
    """Make the product's sibling, which differs in its amount or its model number."""
    others = [a for a in product.category.amounts if a != product.amount]
    if product.model and rng.random_sample() < 0.5:
        number = int(product.model[2:]) + rng.randint(1, 10)
        return product._replace(model=f"{product.model[:2]}{number}")
    return product._replace(amount=int(rng.choice(others)))


def _write_title(rng: np.random.RandomState, product: _Product) -> str:
    """Word a product as one seller does."""
    language = int(rng.random_sample() < 0.8)

    def say(pair: str) -> str:
        # Sellers mix: one word in ten comes from the other language.
        return pair.split("/")[language ^ int(rng.random_sample() < 0.1)]

    unit = say(product.category.unit)
    space = " " if rng.random_sample() < 0.5 else ""
    words = [say(word).replace("-", " ") for word in product.words]
    words = [word for word in words if rng.random_sample() < 0.85]
    amount = f"{product.amount}{space}{unit}"
    rng.shuffle(words)
    parts = [product.brand, say(product.category.noun), *words]
    if product.model:
        parts.insert(rng.randint(1, 3), product.model)
    parts.insert(rng.randint(2, len(parts) + 1), amount)
    if rng.random_sample() < 0.08:
        parts.remove(product.brand)
    for promotion in rng.choice(_PROMOTIONS, rng.choice([0, 0, 0, 1, 2])):
        parts.insert(rng.choice([0, len(parts)]), promotion)
    title = " ".join(parts)
    if rng.random_sample() < 0.15:
        title = _mistype(rng, title)
    return str(rng.choice([title, title.title(), title.upper()], p=[0.3, 0.5, 0.2]))


def _mistype(rng: np.random.RandomState, title: str) -> str:
    """Drop, double or swap one character."""
    position = rng.randint(len(title) - 1)
    head, here, there, tail = (
        title[:position],
        title[position],
        title[position + 1],
        title[position + 2 :],
    )
    return (
        head
        + (here + tail, here + here + there + tail, there + here + tail)[rng.randint(3)]
    )
