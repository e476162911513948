from __future__ import annotations

import unicodedata

from hypothesis import example as given_example
from hypothesis import given
from hypothesis import strategies as st
from report_examples import NASTY

from visualdl_embedding.reports import visible_text
from visualdl_embedding.reports._text import cell

ANY_TEXT = st.text(st.characters(), max_size=30)  # halves of surrogate pairs too


@given(ANY_TEXT)
@given_example("\x1b]0;title\x07\u202e\u2066\ud800\U000e0041")
def test_nothing_that_acts_is_left(text: str) -> None:
    shown = visible_text(text)
    assert not any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in shown)
    assert not any(
        unicodedata.bidirectional(c) in ("RLO", "LRO", "RLE", "LRE", "PDF", "RLI", "LRI", "FSI", "PDI") for c in shown
    )
    shown.encode("utf-8")
    assert visible_text(shown) == shown


@given(st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]), max_size=30))
def test_plain_text_stays_as_it_is(text: str) -> None:
    assert visible_text(text) == text


def test_joined_emoji_stay_one() -> None:
    assert visible_text("👩‍👩‍👧") == "👩‍👩‍👧"


@given(ANY_TEXT)
@given_example("=cmd()")
@given_example("-1+cmd()")
@given_example("+1e5x")
def test_no_cell_is_a_formula(text: str) -> None:
    shown = cell(text)
    if shown.startswith(("=", "@")):
        raise AssertionError(shown)
    if shown.startswith(("+", "-")):
        float(shown)
    assert not set(shown) & {"\t", "\n", "\r"}


def test_labels_of_the_examples() -> None:
    assert [cell(label)[0] == "'" for label in NASTY[2:6]] == [True, False, True, True]
    assert cell("+1") == "+1"
    assert cell("a\tb") == "a\\tb"
