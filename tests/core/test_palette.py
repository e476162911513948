from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from visualdl_embedding.core.palette import ALONE, EXPECTED, GREEN, GROUPS, NO_GROUP, OTHERS, group_colors, page_palette

GROUNDS = {"light": "#FFFFFF", "dark": "#1D1D1F"}
"""Of the maps."""


def luminance(color: str) -> float:
    """As WCAG 2 defines it."""
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, two: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(two)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def test_all_colors_are_different() -> None:
    colors = [*GROUPS, OTHERS, *NO_GROUP.values(), *(set(EXPECTED) - set(GROUPS))]
    assert len(set(colors)) == len(colors)


@pytest.mark.parametrize("tone", ["light", "dark"])
def test_groups_are_legible_on_both_grounds_and_louder_than_rows_without_one(tone: str) -> None:
    quiet = contrast(NO_GROUP[tone], GROUNDS[tone])
    for color in (*GROUPS, *EXPECTED, ALONE[tone]):
        assert contrast(color, GROUNDS[tone]) > max(2, quiet), color


@pytest.mark.parametrize(
    "names",
    [("positive", "negative", "neutral"), ("POS", "Neg", " neu "), ("积极", "消极", "中性"), ("正面", "负面", "中性")],
)
def test_feelings_have_the_colors_that_readers_expect(names: tuple[str, ...]) -> None:
    found = group_colors([*names, "another"])
    assert [found[name] for name in names] == list(EXPECTED)
    assert found["another"] == GROUPS[0]


def test_a_second_name_for_the_same_feeling_has_a_color_of_its_own() -> None:
    found = group_colors(["positive", "pos"])
    assert found["pos"] == GREEN
    assert found["positive"] == GROUPS[0]


def test_colors_do_not_depend_on_sizes_but_the_largest_come_first() -> None:
    one = group_colors(["b"] * 3 + ["a"] + ["negative"] * 2)
    two = group_colors(["b"] + ["a"] * 2 + ["negative"] * 9)
    assert one == two
    assert list(one) == ["b", "negative", "a"]
    assert list(two) == ["negative", "a", "b"]


def test_of_many_groups_the_largest_have_the_clearest_colors() -> None:
    found = group_colors(name for i, name in enumerate("zyxwvutsrqpo") for _ in range(20 - i))
    assert {found[name] for name in "zyxwvut"} == set(GROUPS[:7])


@given(st.lists(st.sampled_from(["", "a", "b", "positive", "neg", "中性", *(f"g{i}" for i in range(20))])))
def test_no_two_groups_share_a_color(values: list[str]) -> None:
    found = group_colors(values)
    assert len(set(found.values())) == len(found) == min(len(GROUPS), len(set(values) - {""}))


def test_the_page_takes_the_same_colors() -> None:
    assert page_palette()["groups"] == list(GROUPS)
