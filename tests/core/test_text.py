from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from visualdl_embedding.core.text import (
    Text,
    html_text,
    one_line,
    picture_line,
    shorten,
    spreadsheet_cell,
    visible_text,
)

ANY_TEXT = st.text(st.characters(), max_size=30)  # halves of surrogate pairs too


@given(ANY_TEXT)
@example("\x1b]0;title\x07\u202e\u2066\ud800\U000e0041\uffff")
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


def test_only_line_feeds_stay_in_text_of_several_lines() -> None:
    assert visible_text("a\x85b\r\nc", lines=True) == "a\\x85b\\r\nc"


@given(ANY_TEXT)
def test_html_holds_no_markup(text: str) -> None:
    assert not set(html_text(text)) & set("<>\"'\n")


@given(ANY_TEXT)
@example("=cmd()")
@example("-1+cmd()")
@example("+1e5x")
@example("＝cmd()")
def test_no_cell_is_a_formula(text: str) -> None:
    shown = spreadsheet_cell(text)
    assert not shown.startswith(("=", "@", "＝", "＋", "－", "＠"))
    if shown.startswith(("+", "-")):
        float(shown)
    assert not set(shown) & {"\t", "\n", "\r"}


@pytest.mark.parametrize(
    ("label", "shown"),
    [
        ("=cmd()", "'=cmd()"),
        ("＝cmd()", "'＝cmd()"),
        ("＋1", "'＋1"),
        ("@x", "'@x"),
        ("-y", "'-y"),
        ("+1", "+1"),
        ("-0.5e-3", "-0.5e-3"),
        ("a\tb", "a\\tb"),
        ("\tb", "'\\tb"),
    ],
)
def test_cells_of_a_spreadsheet(label: str, shown: str) -> None:
    assert spreadsheet_cell(label) == shown


@given(ANY_TEXT)
@example("a\x0bb\u2029\ud800\uffff")
def test_one_line_is_one_line_that_can_be_written(text: str) -> None:
    line = one_line(text)
    assert len(line.splitlines()) <= 1
    assert len(line) == len(text)
    line.encode("utf-8")


def test_a_picture_shows_words_only() -> None:
    assert picture_line(" two\twords\n") == "two words"
    assert picture_line("\u200b\ufe0f\n") == ""


@given(st.text(max_size=60), st.integers(2, 12))
def test_a_line_is_cut_to_its_width(text: str, columns: int) -> None:
    line = picture_line(text)
    cut = shorten(line, columns)
    assert sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in cut.removesuffix("…")) <= columns
    assert cut == line or (cut.endswith("…") and line.startswith(cut[:-1]))


def test_sentences_are_joined_in_both_languages() -> None:
    assert Text("One.", "一。") + Text("Two.", "二。") == Text("One. Two.", "一。二。")
    assert Text("", "") + Text("Two.", "二。") == Text("Two.", "二。")
