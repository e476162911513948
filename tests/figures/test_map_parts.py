"""Colors, places of labels and shades of a map, without drawing it."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from visualdl_embedding.core.palette import OTHERS
from visualdl_embedding.figures import _fonts
from visualdl_embedding.figures._colors import NO_GROUP, color_groups, color_numbers, viridis
from visualdl_embedding.figures._labels import place_labels
from visualdl_embedding.figures._plot import bin_points


def test_the_largest_groups_have_colors_and_the_rest_share_one() -> None:
    groups = [f"g{i:02}" for i in range(14) for _ in range(20 - i)] + [""] * 4
    found = color_groups(groups, len(groups))
    assert [group.name for group in found.legend] == [
        *(f"g{i:02}" for i in range(12)),
        "2 other groups",
        "no group",
    ]
    assert len({group.color for group in found.legend}) == 14
    assert found.legend[-2].count == 7 + 8
    assert sum(group.count for group in found.legend) == len(groups)
    assert found.colors[-1] == NO_GROUP
    assert found.colors[-5] == OTHERS


def test_group_colors_do_not_depend_on_sizes() -> None:
    one = color_groups(["negative"] * 9 + ["positive"] + ["other"] * 3, 13)
    two = color_groups(["positive"] * 9 + ["other"] + ["negative"] * 3, 13)
    assert {g.name: g.color for g in one.legend} == {g.name: g.color for g in two.legend}


@given(
    st.lists(st.tuples(st.integers(0, 600), st.integers(0, 600)), min_size=1, max_size=40),
    st.integers(0, 4),
    st.integers(10, 200),
)
@settings(deadline=None, max_examples=60)
def test_labels_are_inside_and_do_not_overlap(points: list[tuple[int, int]], n_watched: int, width: int) -> None:
    bounds = (0.0, 0.0, 600.0, 600.0)
    taken = (0.0, 0.0, 150.0, 60.0)
    watched = list(range(min(n_watched, len(points))))
    placed = place_labels(
        np.array(points, dtype=np.float64),
        watched,
        range(len(points)),
        size=lambda row: (width, 16.0),
        bounds=bounds,
        taken=[taken],
        limit=8,
    )
    assert [item.row for item in placed[: len(watched)]] == watched
    assert len(placed) <= len(watched) + 8
    assert len({item.row for item in placed}) == len(placed)
    for item in placed:
        assert item.box[0] >= -1e-6
        assert item.box[1] >= -1e-6
        assert item.box[2] <= 600 + 1e-6
        assert item.box[3] <= 600 + 1e-6
    for i, item in enumerate(placed[len(watched) :], start=len(watched)):
        for other in [taken, *(earlier.box for earlier in placed[:i])]:
            across = min(item.box[2], other[2]) - max(item.box[0], other[0])
            up = min(item.box[3], other[3]) - max(item.box[1], other[1])
            assert across <= 1e-6 or up <= 1e-6


@given(st.text(max_size=60))
@settings(max_examples=200, deadline=None)
def test_shown_text_is_one_short_line(text: str) -> None:
    shown = _fonts.shown_text(text, instead="#1", longest=10)
    assert shown
    assert len(shown) <= 10
    assert "\n" not in shown
    assert "\t" not in shown


def test_long_labels_are_cut() -> None:
    assert _fonts.shown_text("a" * 40, instead="", longest=10) == "a" * 9 + "…"
    assert _fonts.shown_text("two\twords\n", instead="", longest=10) == "two words"
    assert _fonts.shown_text("高兴" * 10, instead="", longest=10) == "高兴高兴…"
    assert _fonts.shown_text(" \u200b\n", instead="#7") == "#7"


def test_the_ends_of_a_ramp_ignore_one_outlier() -> None:
    values = np.append(np.linspace(0, 1, 999), 1e9)
    scale = color_numbers(values, "x")
    assert scale.high < 1.01
    assert len(set(scale.colors)) > 100
    assert scale.colors[-1] == scale.colors[998]


@given(
    st.lists(st.floats(0, 1e6, allow_nan=False), min_size=1, max_size=30),
    st.booleans(),
)
@settings(deadline=None)
def test_a_larger_number_is_never_darker(values: list[float], logarithmic: bool) -> None:
    ramp = viridis()
    scale = color_numbers(np.array(values), "x", logarithmic=logarithmic)
    places = [ramp.index(color) for color in scale.colors]
    order = np.argsort(values, kind="stable")
    assert (np.diff(np.array(places)[order]) >= 0).all()


@given(st.integers(1, 400))
@settings(max_examples=20, deadline=None)
def test_no_point_is_lost_in_a_shade(n: int) -> None:
    points = np.random.default_rng(n).uniform(size=(n, 2))
    image, sparse = bin_points(points, np.array([[0, 1], [0, 1]], np.float32), np.full((n, 3), 0.5, np.float32))
    assert image.shape == (360, 360, 4)
    assert (image[..., 3] > 0).sum() <= n
    assert len(sparse) <= n
    np.testing.assert_allclose(image[image[..., 3] > 0][:, :3], 0.5, atol=1e-6)
