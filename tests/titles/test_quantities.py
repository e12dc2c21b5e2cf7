import math
import re

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from skmatch.titles import find_quantities
from skmatch.titles._quantities import _UNIT


@pytest.mark.parametrize(
    ("title", "quantities", "codes"),
    [
        ("susu 200 ml", {("volume", 200.0)}, set()),
        ("susu 0,2l", {("volume", 200.0)}, set()),
        ("beras 1.5kg", {("mass", 1500.0)}, set()),
        ("galaxy a20s 32gb", {("storage", 32768.0)}, {"a20s"}),
        ("tv 32 inch", {("length", 812.8)}, set()),
        ("isi 12", {("count", 12.0)}, set()),
        ("sabun 3 x 80gr", {("count", 3.0), ("mass", 80.0)}, set()),
        ("kaos 2 pcs", {("count", 2.0)}, set()),
        ("wh-1000xm4", set(), {"wh1000xm4"}),
        ("serum 10%", {("share", 10.0)}, set()),
        ("no 7 merah", {("number", 7.0)}, set()),
        ("5 merah", {("number", 5.0)}, set()),  # no metre
        ("", set(), set()),
    ],
)
def test_quantities_and_codes(title, quantities, codes):
    assert find_quantities(title) == (quantities, codes)


@given(
    number=st.decimals(min_value="0.1", max_value=9999, places=1),
    unit=st.sampled_from(sorted(_UNIT)),
    space=st.sampled_from(["", " ", "  "]),
    comma=st.booleans(),
)
def test_a_number_with_a_unit_is_one_quantity(number, unit, space, comma):
    kind, size = _UNIT[unit]
    text = str(number).replace(".", ",") if comma else str(number)
    found, codes = find_quantities(f"barang {text}{space}{unit}")
    assert codes == set()
    ((found_kind, value),) = found
    assert found_kind == kind
    assert math.isclose(value, float(number) * size, rel_tol=1e-4)


@given(
    st.from_regex(re.compile(r"[a-z]{1,4}[0-9]{1,4}[a-z]?", re.ASCII), fullmatch=True)
)
def test_letters_before_a_number_are_a_code(code):
    assume(not re.match(r"isi\d", code))  # "contains 12": a pack
    quantities, codes = find_quantities(f"barang {code} baru")
    assert (quantities, codes) == (set(), {code})


@given(st.text())
def test_any_text_can_be_read(text):
    quantities, codes = find_quantities(text.lower())
    assert all(np.isfinite(value) for _, value in quantities)
    assert "" not in codes


@pytest.mark.parametrize(
    "part", ["1-", "1", "1.", "1,1", "1 ", "1 x ", "a-1", "isi 1", " "]
)
def test_a_million_characters_are_read(part):
    """What takes time by the square of the length would not end."""
    quantities, codes = find_quantities((part * 10**6)[: 10**6])
    assert len(quantities) + len(codes) <= 3


def test_number_of_a_thousand_digits():
    assert find_quantities("9" * 1000 + " kg") == ({("mass", 1e300)}, set())
