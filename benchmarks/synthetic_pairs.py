"""Write the pairs of made-up titles that a matcher without labels learns from.

Each of many made-up markets has words, brands, products and sellers of its own, and a
style: how often products have a model code, how many siblings differ in one thing only,
how freely sellers word, and how many products have a single listing. The words have no
meaning, so that nothing is learned of a language: what is learned is what shared,
missing, rare and similar words, quantities and codes say of a pair in its gallery.

The candidate pairs of all markets are described as any others, and some are drawn at
random.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from _common import make_parser, say
from numpy.typing import NDArray
from sklearn.base import clone

import skmatch.pairs
from skmatch.pairs import (
    DescribedPairs,
    GalleryContext,
    PairSettings,
    TrainingTitles,
    fit_describer,
    graph_feature_names,
    make_classifier,
    make_embedders,
    match_probability,
    read_all,
)

TABLE = Path(skmatch.pairs.__file__).parent / "synthetic_pairs.npz"
SIZES = 300, 4000  # titles of a market
N_FIRST = 24  # markets that the classifier of the first level learns from
KEPT = 0.2  # share of the pairs of a market
N_VALUES = 64  # of a feature in the table
SYLLABLES = [c + v for c in "bcdfghjklmnprstvwyz" for v in "aeiou"]
SYLLABLES += ["st", "tr", "an", "en", "or", "al"]
LETTERS = list("abcdefghijklmnopqrstuvwxyz")
UNITS: dict[str, tuple[float, ...]] = {
    "g gr gram": (10, 15, 20, 30, 50, 65, 100, 150, 200, 250, 300, 400, 500, 750, 800),
    "ml": (60, 70, 90, 100, 150, 170, 200, 250, 340, 400, 500, 680),
    "kg": (1, 2, 5, 10, 25),
    "l liter ltr": (1, 2, 5, 12, 15, 20),
    "inch in": (5, 6, 7, 10, 12, 14, 15, 17, 19, 22, 24, 27, 32),
    "gb": (1, 2, 4, 8, 16, 32, 36, 64, 72, 73, 128, 146, 250, 256, 300, 320, 500),
    "tb": (1, 2, 3, 4, 6, 8),
    "pcs pc pack": (2, 3, 4, 5, 6, 8, 10, 12, 20, 24, 28, 34, 50, 100),
    "mah": (2000, 5000, 8000, 10000, 12000, 20000),
    "cm": (30, 50, 80, 90, 100, 110, 120, 135, 140, 150, 200),
    "mm": (3, 5, 6, 8, 10, 13, 16, 35),
    "watt w": (3, 5, 7, 9, 12, 15, 18, 60, 100, 250, 400),
    "ghz": (1.6, 1.8, 2, 2.13, 2.4, 2.66, 2.8, 3, 3.2),
    "mhz": (400, 533, 667, 800, 1066, 1333, 1600),
    "v": (3, 5, 12, 19, 220),
    "k krpm": (7, 10, 15),
}
# What a code looks like: a letter is any letter, a 0 any digit.
CODES = ("aa00", "aa000", "aa0000", "a00a", "a0000a", "0000", "0000000", "aaa-000")
CODES += ("aaa-00000", "000-a00", "000000-a00", "aa-00aa00", "00a0000")


class Style(NamedTuple):
    """How the titles of a market are written: shares and means of what is drawn."""

    has_code: float  # products with a model code
    n_quantities: float
    n_details: float  # words that describe a product
    is_dropped: float  # parts of a product that a title leaves out
    n_extra: float  # words that say nothing of this product in particular
    n_praise: float
    is_translated: float  # common words in the other language
    is_mistyped: float
    is_single: float  # products with one listing
    has_stock_code: float  # titles with a code of the seller's own
    is_sibling: float  # products that differ from the one before in one thing
    is_recoded: float  # model codes in another notation
    drops_brand: float
    size_exponent: float  # of the number of listings of a product; larger is smaller
    is_loose: float  # quantities and variants that are not the product's


def draw_style(rng: np.random.Generator) -> Style:
    """Draw a style: of a catalogue with its variants, or of a market of loose goods."""
    u = rng.uniform
    if rng.random() < 0.5:
        return Style(
            has_code=rng.choice([0, 0.05, 0.2]),
            n_quantities=u(0.2, 1.5),
            n_details=u(1, 4),
            is_dropped=u(0.2, 0.5),
            n_extra=u(1, 6),
            n_praise=u(0.3, 2.5),
            is_translated=u(0.1, 0.35),
            is_mistyped=u(0.04, 0.3),
            is_single=rng.choice([0, 0, 0.1, 0.3]),
            has_stock_code=rng.choice([0, 0.05, 0.15]),
            is_sibling=u(0, 0.4),
            is_recoded=u(0, 0.3),
            drops_brand=u(0.2, 0.6),
            size_exponent=u(0.8, 2),
            is_loose=u(0.05, 0.4),
        )
    return Style(
        has_code=rng.choice([0.05, 0.3, 0.6, 0.9]),
        n_quantities=u(0.3, 2.5),
        n_details=u(1, 4),
        is_dropped=u(0.05, 0.35),
        n_extra=u(0, 4),
        n_praise=u(0, 2),
        is_translated=u(0, 0.25),
        is_mistyped=u(0.04, 0.3),
        is_single=rng.choice([0, 0.15, 0.4, 0.75]),
        has_stock_code=rng.choice([0, 0, 0.1, 0.3]),
        is_sibling=u(0.2, 0.75),
        is_recoded=u(0, 0.3),
        drops_brand=u(0.03, 0.3),
        size_exponent=u(0.8, 2.5),
        is_loose=u(0, 0.05),
    )


class Kind(NamedTuple):
    """A kind of product."""

    nouns: tuple[str, ...]
    details: tuple[str, ...]
    units: tuple[str, ...]
    has_code: float


class Product(NamedTuple):
    """A product, before a seller words it."""

    kind: Kind
    brand: str
    series: tuple[str, ...]
    codes: tuple[str, ...]
    quantities: tuple[tuple[str, float], ...]
    variant: tuple[str, ...]
    details: tuple[str, ...]


class Market:
    """Words, brands and kinds of products; draws products and writes titles."""

    def __init__(self, n_titles: int, rng: np.random.Generator) -> None:
        self.rng, self.style = rng, draw_style(rng)
        self.common = [self.make_word(2, 4) for _ in range(400)]
        self.translations = {word: self.make_word(2, 4) for word in self.common}
        self.variants = [self.make_word(2, 3) for _ in range(25)]
        self.variants += ["s", "m", "l", "xl", "xxl"]
        self.praise = [self.make_word(2, 3) for _ in range(25)]
        self.brands = [self.make_word(2, 3) for _ in range(max(8, n_titles // 40))]
        self.kinds = [self.draw_kind() for _ in range(max(5, n_titles // 120))]

    def make_word(self, shortest: int, longest: int) -> str:
        """Make up a word of so many syllables."""
        return "".join(
            self.rng.choice(SYLLABLES, self.rng.integers(shortest, longest + 1))
        )

    def make_code(self) -> str:
        """Make up a model code."""
        return "".join(map(self.make_character, self.rng.choice(CODES)))

    def make_character(self, like: str) -> str:
        """Draw another letter or digit."""
        if like.isdigit():
            return str(self.rng.integers(10))
        return str(self.rng.choice(LETTERS)) if like.isalpha() else like

    def draw(self, items: Any, exponent: float) -> Any:
        """Draw an item, the first ones more often."""
        weights = np.arange(1.0, len(items) + 1) ** -exponent
        return items[self.rng.choice(len(items), p=weights / weights.sum())]

    def draw_kind(self) -> Kind:
        """Draw a kind of product."""
        rng = self.rng
        units = rng.choice(list(UNITS), rng.integers(1, 4), replace=False)
        return Kind(
            tuple(self.draw(self.common, 1) for _ in range(rng.integers(1, 3))),
            tuple(self.draw(self.common, 0.6) for _ in range(rng.integers(10, 40))),
            tuple(units),
            float(np.clip(self.style.has_code + rng.normal() * 0.2, 0, 1)),
        )

    def draw_product(self) -> Product:
        """Draw a product."""
        rng = self.rng
        kind = self.draw(self.kinds, 0.5)
        codes = [self.make_code()] * int(rng.random() < kind.has_code)
        codes += [self.make_code()] * int(rng.random() < kind.has_code * 0.3)
        has_unit = self.style.n_quantities / len(kind.units)
        details = rng.choice(kind.details, 1 + rng.poisson(self.style.n_details))
        return Product(
            kind,
            self.draw(self.brands, 0.7),
            tuple(self.make_word(2, 4) for _ in range(rng.choice([0, 0, 1, 1, 2]))),
            tuple(codes),
            tuple(
                (unit, float(rng.choice(UNITS[unit])))
                for unit in kind.units
                if rng.random() < has_unit
            ),
            (str(rng.choice(self.variants)),) if rng.random() < 0.45 else (),
            tuple(dict.fromkeys(details.tolist())),
        )

    def draw_sibling(self, product: Product) -> Product:
        """Change one thing of a product."""
        rng = self.rng
        things = ["variant", "variant", "details", "series"]
        things += ["quantities"] * 2 * bool(product.quantities)
        things += ["codes"] * 3 * bool(product.codes)
        thing = str(rng.choice(things))
        old = list(getattr(product, thing))
        at = int(rng.integers(max(1, len(old))))
        if thing == "quantities":
            unit = old[at][0]
            old[at] = (unit, float(rng.choice(UNITS[unit])))
        elif thing == "codes":
            is_near = rng.random() < 0.7
            old[at] = self.change_code(old[at]) if is_near else self.make_code()
        elif thing == "variant":
            old = [str(rng.choice(self.variants))]
        elif thing == "details":
            old[at] = str(rng.choice(product.kind.details))
        else:
            old = [*old[:-1], self.make_word(2, 4)]
        return product._replace(**{thing: tuple(old)})

    def change_code(self, code: str) -> str:
        """Change one character in the second half of a code."""
        at = int(self.rng.integers(len(code) // 2, len(code)))
        ending = str(self.rng.choice(LETTERS)) if self.rng.random() < 0.25 else ""
        return code[:at] + self.make_character(code[at]) + code[at + 1 :] + ending

    def write_title(self, product: Product) -> str:
        """Word a product as one seller does."""
        rng, style = self.rng, self.style

        def keep(words: Any, share: float = 1.0) -> list[Any]:
            return [w for w in words if rng.random() >= style.is_dropped * share]

        def say_words(words: Any) -> list[str]:
            return [
                self.translations[w] if rng.random() < style.is_translated else w
                for w in words
            ]

        brand = [product.brand] if rng.random() >= style.drops_brand else []
        series = keep(product.series, 0.6)
        codes = [self.write_code(code) for code in keep(product.codes, 0.6)]
        nouns = say_words(keep(product.kind.nouns, 0.7))
        details = say_words(keep(product.details))
        variant = [
            str(rng.choice(self.variants)) if rng.random() < style.is_loose else word
            for word in keep(product.variant, 0.8)
        ]
        quantities = [self.write_quantity(*q) for q in keep(product.quantities)]
        n_extra = rng.poisson(style.n_extra)
        extra = say_words(rng.choice(product.kind.details, n_extra).tolist())
        blocks = [series, codes, nouns, details, variant, quantities, extra]
        if rng.random() < 0.35:
            rng.shuffle(blocks)
        elif rng.random() < 0.5:
            blocks = [series, nouns, codes, details, quantities, variant, extra]
        parts = brand
        for block in blocks:
            if rng.random() < 0.3:
                rng.shuffle(block)
            parts += block
        if rng.random() < style.has_stock_code:
            parts.insert(rng.integers(len(parts) + 1), self.make_code())
        for word in rng.choice(self.praise, rng.poisson(style.n_praise)):
            parts.insert(rng.choice([0, len(parts)]), str(word))
        title = " ".join(parts or [product.brand, *product.kind.nouns])
        return self.mistype(title) if rng.random() < style.is_mistyped else title

    def write_code(self, code: str) -> str:
        """Write a model code as it is, or in another notation."""
        if self.rng.random() >= self.style.is_recoded:
            return code
        other = f"{code}-{self.rng.integers(10)}{self.rng.integers(10)}"
        notations = [code.replace("-", ""), code.replace("-", " "), f"0{code}", other]
        return str(self.rng.choice(notations))

    def write_quantity(self, unit: str, amount: float) -> str:
        """Write a quantity with one of the names of its unit."""
        if self.rng.random() < self.style.is_loose:
            amount = float(self.rng.choice(UNITS[unit]))
        space = " " if self.rng.random() < 0.4 else ""
        return f"{amount:g}{space}{self.draw(unit.split(), 1)}"

    def mistype(self, title: str) -> str:
        """Drop, double or swap one character."""
        if len(title) < 4:
            return title
        at = int(self.rng.integers(len(title) - 2))
        here, there = title[at], title[at + 1]
        typed = [there, here + here + there, there + here][self.rng.integers(3)]
        return title[:at] + typed + title[at + 2 :]

    def write_titles(
        self, n_titles: int
    ) -> tuple[NDArray[np.object_], NDArray[np.intp]]:
        """Write about as many titles, and their products."""
        rng = self.rng
        titles: list[str] = []
        labels: list[int] = []
        seen: set[Product] = set()
        last = None
        while len(titles) < n_titles:
            is_sibling = last is not None and rng.random() < self.style.is_sibling
            product = self.draw_sibling(last) if is_sibling else self.draw_product()
            if product in seen:
                last = product if rng.random() < 0.7 else None
                continue
            seen.add(product)
            last = product
            is_single = rng.random() < self.style.is_single
            more = 1 + min(1 + int(rng.pareto(self.style.size_exponent)), 30)
            written: list[str] = []
            for _ in range(1 if is_single else more):
                is_copy = bool(written) and rng.random() < 0.12
                written.append(written[0] if is_copy else self.write_title(product))
            titles += written
            labels += [len(seen) - 1] * len(written)
        order = rng.permutation(len(titles))
        return np.array(titles, dtype=object)[order], np.array(labels)[order]


def describe_market(
    seed: int, settings: PairSettings
) -> tuple[DescribedPairs, NDArray[np.bool_]]:
    """Make up a market; return its candidate pairs, and which match."""
    rng = np.random.default_rng(seed)
    n_titles = int(np.exp(rng.uniform(*np.log(SIZES))))
    titles, labels = Market(n_titles, rng).write_titles(n_titles)
    training = TrainingTitles(titles, titles, labels)
    describer = fit_describer(training, slice(None), settings)
    encoded = describer.encode(titles, titles)
    pairs = describer.describe(GalleryContext(encoded), settings.n_threads)
    return pairs, labels[pairs.indices.left] == labels[pairs.indices.right]


def fit_first_level(seeds: range, settings: PairSettings) -> Any:
    """Fit the classifier of the first level on the pairs of some markets."""
    markets = [describe_market(seed, settings) for seed in seeds]
    features = np.concatenate(
        [read_all(pairs.features, np.arange(pairs.n_pairs)) for pairs, _ in markets]
    )
    is_match = np.concatenate([same for _, same in markets])
    return clone(settings.classifier).fit(features, is_match)


def pack_columns(X: NDArray[np.float32]) -> tuple[NDArray[np.uint8], list[Any]]:
    """Round each feature to one of N_VALUES values; return which, and the values."""
    bins, values = np.empty(X.shape, np.uint8), []
    for number, column in enumerate(X.T):
        own = np.unique(column)
        if len(own) > N_VALUES:
            quantiles = np.quantile(column, np.linspace(0, 1, N_VALUES))
            own = np.unique(quantiles.astype(np.float32))
        bins[:, number] = np.searchsorted((own[1:] + own[:-1]) / 2, column)
        values.append(own)
    return bins, values


def main(n_markets: int, n_pairs: int, n_jobs: int) -> None:
    """Describe the pairs of all markets, and keep some at random."""
    settings = PairSettings(
        embedders=make_embedders(None, 0),
        classifier=make_classifier(None, 0),
        pair_features=(),
        n_candidates=20,
        n_levels=2,
        propagates=True,
        seed=0,
        n_threads=n_jobs,
    )
    # What the first level says of a market comes from others, as of a gallery in use.
    of_first = fit_first_level(range(N_FIRST), settings)
    of_next = fit_first_level(range(N_FIRST, 2 * N_FIRST), settings)
    rng = np.random.default_rng(0)
    X, y = [], []
    for seed in range(n_markets):
        pairs, same = describe_market(seed, settings)
        first = of_next if seed < N_FIRST else of_first
        p = match_probability(first, read_all(pairs.features, np.arange(pairs.n_pairs)))
        level = pairs.context.propagate(0, p, pairs.indices, True)
        kept = rng.random(len(same)) < KEPT
        parts = pairs.add_level(pairs.features, level)
        X.append(read_all(parts, np.flatnonzero(kept)))
        y.append(same[kept])
        say(f"market {seed}: {len(pairs.context.left):,} titles, {len(same):,} pairs")
    features, is_match = np.concatenate(X), np.concatenate(y)
    rows = rng.permutation(len(is_match))[:n_pairs]
    bins, values = pack_columns(features[rows])
    names = [*pairs_names(settings), *graph_feature_names("level1")]
    assert len(names) == bins.shape[1]
    np.savez_compressed(
        TABLE,
        names=np.array(names),
        bins=bins.T,
        values=np.concatenate(values),
        n_values=np.array([len(own) for own in values]),
        is_match=is_match[rows],
    )
    say(f"{len(rows):,} of {len(is_match):,} pairs, {TABLE.stat().st_size:,} bytes")


def pairs_names(settings: PairSettings) -> list[str]:
    """Return the names of the features before the first level."""
    titles = np.array(["a b", "b c"], dtype=object)
    training = TrainingTitles(titles, titles, np.arange(2))
    return fit_describer(training, slice(None), settings).feature_names()


if __name__ == "__main__":
    parser = make_parser(__doc__)
    parser.add_argument("--n-markets", type=int, default=200)
    parser.add_argument("--n-pairs", type=int, default=150_000)
    parser.add_argument("--n-jobs", type=int, default=2)
    args = parser.parse_args()
    main(args.n_markets, args.n_pairs, args.n_jobs)
