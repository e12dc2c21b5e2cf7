"""Quantities and model codes in titles: what parts two variants."""

from __future__ import annotations

import re

# Each unit as its kind and its size in the smallest unit of the kind. A word after a
# number that is not here makes no quantity of it.
UNITS: dict[str, dict[float, str]] = {
    "mass": {
        1: "g gr gram grams gramm grm gm",
        1000: "kg kilo kgs kilogram",
        0.001: "mg miligram milligram",
        28.35: "oz ounce ounces",
        453.6: "lb lbs pound pounds",
    },
    "volume": {
        1: "ml mili mililiter milliliter cc",
        10: "cl",
        1000: "l lt ltr liter litre liters litres",
    },
    "length": {
        1: "mm",
        10: "cm",
        1000: "m mtr meter metre meters metres",
        25.4: "inch inches inchi inci in",
        304.8: "ft feet foot",
        914.4: "yard yards yd",
    },
    "storage": {1: "mb", 1024: "gb gig", 1024**2: "tb"},
    "count": {
        1: "pcs pc pce piece pieces pack packs pak pk set sets isi count ct box sachet "
        "lembar lbr tablet tablets kapsul capsule capsules caps pasang pair pairs",
        12: "lusin dozen",
    },
    "power": {1: "w watt watts", 1000: "kw"},
    "voltage": {1: "v volt volts"},
    "charge": {1: "mah"},
    "frequency": {1: "hz", 1000: "khz", 1e6: "mhz", 1e9: "ghz"},
    "share": {1: "% persen percent"},
}
_UNIT = {
    word: (kind, size)
    for kind, units in UNITS.items()
    for size, words in units.items()
    for word in words.split()
}
# Possessive (``++``): what was read is not tried again shorter, so that any title takes
# a time linear in its length.
_NUMBER = r"(?<![\w.,])(\d++(?:[.,]\d++)?)"
_NAMES = "|".join(sorted(map(re.escape, _UNIT), key=len)[::-1])
_QUANTITY = re.compile(rf"{_NUMBER}[\s-]*+({_NAMES})(?!\w)")
_PACK = re.compile(
    rf"(?<![\w.,])(\d++)\s*+x(?=\s*+\d)"
    rf"|\b(?:isi|pack of|set of)\s*+(\d++)(?![.,]?\d|\s*+(?:{_NAMES})(?!\w))"
)
_BARE = re.compile(rf"{_NUMBER}(?!\w)")
_HYPHENATED = re.compile(r"[\w-]++")
_DIGIT = re.compile(r"\d")
_LETTER = re.compile(r"[^\W\d_]")
_LONG = 5  # digits of a number that names a model rather than a size
_LARGEST = 1e300  # what has more digits is infinite as a float


def find_quantities(title: str) -> tuple[set[tuple[str, float]], set[str]]:
    """Return the quantities of a lower-case title, by kind, and its model codes.

    A number with a unit is a quantity of the unit's kind, in its smallest unit, one
    without is a quantity of the kind "number". A model code is any other word of
    letters and digits, or of five digits and more, without its hyphens and leading
    zeros.
    """
    quantities = set()

    def take(match: re.Match[str]) -> str:
        kind, size = _UNIT[match[2]]
        quantities.add((kind, _read(match[1], size)))
        return " "

    def take_pack(match: re.Match[str]) -> str:
        quantities.add(("count", _read(match[1] or match[2], 1)))
        return " "

    rest = _PACK.sub(take_pack, title)
    rest = _QUANTITY.sub(take, rest)
    codes = set()

    def take_code(match: re.Match[str]) -> str:
        word = match[0].replace("-", "").replace("_", "")
        n_digits = len(_DIGIT.findall(word))
        if n_digits < _LONG and not (n_digits and _LETTER.search(word)):
            return match[0]
        codes.add(word.lstrip("0") or word)
        return " "

    rest = _HYPHENATED.sub(take_code, rest)
    quantities |= {("number", _read(number, 1)) for number in _BARE.findall(rest)}
    return quantities, codes


def _read(number: str, size: float) -> float:
    """Return a number in another unit, to five digits: 1.5 kg is 1500 g."""
    value = min(float(number.replace(",", ".")) * size, _LARGEST)
    return float(f"{value:.5g}")
