from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from matplotlib import font_manager
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from PIL import Image

from visualdl_embedding.analysis import Projection
from visualdl_embedding.core.palette import GREEN, GROUPS, VERMILLION
from visualdl_embedding.figures import _fonts, cjk_font, missing_font_note, render_map
from visualdl_embedding.figures._colors import ALONE, NO_GROUP, color_groups, color_numbers


def projection(n: int = 50, c: int = 2, **changes: Any) -> Projection:
    coordinates = np.random.default_rng(n).normal(size=(n, c)).astype(np.float32)
    values = {
        "method": "tsne",
        "coordinates": coordinates,
        "parameters": {"perplexity": 30.0, "random_state": 42},
        "axes": np.array([[-5.0, 5.0]] * c, np.float32),
        "noise_floor": 0.1,
    }
    return Projection(**(values | changes))


def labels_of(n: int) -> list[str]:
    return [f"词{i}" for i in range(n)]


def pixels_of(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")) / 255.0


def share_of(png: bytes, color: str, box: tuple[int, int, int, int] = (0, 0, 700, 800)) -> float:
    """Share of the pixels of a box that are nearly of a color."""
    left, top, right, bottom = box
    near = np.abs(pixels_of(png)[top:bottom, left:right] - to_rgb(color)).max(axis=2) < 0.06
    return float(near.mean())


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that are drawn during a test."""
    figures: list[Figure] = []
    original = FigureCanvasAgg.print_png

    def keep(canvas: FigureCanvasAgg, *args: Any, **kwargs: Any) -> None:
        figures.append(canvas.figure)
        original(canvas, *args, **kwargs)

    monkeypatch.setattr(FigureCanvasAgg, "print_png", keep)
    return figures


def words_of(figure: Figure) -> str:
    return "\n".join(text.get_text() for text in figure.texts)


def forget_fonts() -> None:
    for cached in (_fonts.cjk_font, _fonts._has_glyph, _fonts._open):
        cached.cache_clear()


@pytest.fixture
def no_cjk_font(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As on a machine where no font writes Chinese."""
    forget_fonts()
    original = _fonts._writes
    monkeypatch.setattr(_fonts, "_writes", lambda name, text: name == _fonts.DEFAULT_FONT and original(name, text))
    yield
    monkeypatch.undo()
    forget_fonts()


@pytest.mark.parametrize("n", [1, 2, 500])
@pytest.mark.parametrize("c", [2, 3])
def test_a_map_is_a_picture_of_1000_by_800(n: int, c: int) -> None:
    png = render_map(projection(n, c), labels_of(n), watch=["词0"])
    assert pixels_of(png).shape == (800, 1000, 3)
    assert share_of(png, ALONE) > 1e-4


def test_size_and_resolution_can_be_chosen() -> None:
    png = render_map(projection(), labels_of(50), dpi=150, size=(8, 6))
    assert pixels_of(png).shape == (900, 1200, 3)


def test_equal_inputs_give_equal_bytes() -> None:
    first, second = (render_map(projection(), labels_of(50), watch=["词3"]) for _ in range(2))
    assert first == second


def test_all_pictures_of_a_version_share_their_axes() -> None:
    """A point at one place in the axes is at one place in the picture, whatever the others do."""
    places = []
    for spread in (0.1, 1.0, 4.0):
        layout = projection(
            40, coordinates=np.random.default_rng(0).uniform(-1, 1, (40, 2)).astype(np.float32) * spread
        )
        layout.coordinates[7] = (4.5, -4.0)
        groups = [""] * 40
        groups[7] = "a"
        png = render_map(layout, labels_of(40), groups=groups, annotate=0)
        near = np.abs(pixels_of(png)[:, :700] - to_rgb(ALONE)).max(axis=2) < 0.2
        places.append(np.argwhere(near).mean(axis=0))
    np.testing.assert_allclose(places[0], places[1], atol=1.0)
    np.testing.assert_allclose(places[0], places[2], atol=1.0)


def test_a_place_with_several_rows_is_labeled_with_their_number(drawn: list[Figure]) -> None:
    layout = projection()
    layout.coordinates[:30] = layout.coordinates[0]
    render_map(layout, labels_of(50), watch=["词0", "词40"])
    words = words_of(drawn[0])
    assert "词0 ×30" in words
    assert "词40\n" in words


def test_points_outside_the_axes_are_not_drawn_but_counted(drawn: list[Figure]) -> None:
    layout = projection()
    layout.coordinates[:3] = (9.0, 0.0)
    layout.coordinates[3] = np.nan
    render_map(layout, labels_of(50), watch=["词0", "词3", "词9"])
    words = words_of(drawn[0])
    assert "outside the axes\n3" in words
    assert "not finite\n1" in words
    assert "rows\n46" in words
    assert "watched but not in the picture: 词0, 词3" in words
    assert "词9" in words


def test_a_frame_without_any_finite_row_is_drawn_empty(drawn: list[Figure]) -> None:
    layout = projection(5, coordinates=np.full((5, 2), np.nan, np.float32))
    render_map(layout, labels_of(5), watch=["词1"])
    assert "rows\n0" in words_of(drawn[0])


def test_the_text_describes_the_picture(drawn: list[Figure]) -> None:
    render_map(
        projection(), labels_of(50), table="word", step=1200, quality={"trustworthiness": 0.9123}, caption="a caption"
    )
    words = words_of(drawn[0])
    for part in ("t-SNE of word", "step 1,200", "trustworthiness\n0.912", "a caption · perplexity 30 · seed 42"):
        assert part in words
    assert "noise floor\n0.1" in words


def test_the_ring_has_the_radius_of_the_noise_floor(drawn: list[Figure]) -> None:
    layout = projection(400, noise_floor=0.25)
    render_map(layout, labels_of(400))
    (circle,) = (artist for artist in drawn[0].artists if isinstance(artist, Circle))
    axes = drawn[0].axes[0]
    per_unit = axes.transData.transform((1, 0))[0] - axes.transData.transform((0, 0))[0]
    deviation = np.sqrt(layout.coordinates.var(axis=0).mean())
    assert circle.radius == pytest.approx(0.25 * deviation * per_unit, rel=1e-3)


def test_a_redrawn_map_says_that_its_motion_is_not_comparable(drawn: list[Figure]) -> None:
    layout = projection(noise_floor=None)
    arranged = replace(layout, parameters={**layout.parameters, "redrawn": True})
    render_map(arranged, labels_of(50), quality={"redrawn": 1, "motion": 0.7})
    assert "motion since last" not in words_of(drawn[0])
    assert "motion and noise floor in" not in words_of(drawn[0]).replace("\n", " ")
    assert "noise floor\nredrawn" in words_of(drawn[0])
    assert "redrawn, motion not comparable" in words_of(drawn[0]).replace("\n", " ")


def test_a_missing_noise_floor_is_noted(drawn: list[Figure]) -> None:
    render_map(projection(noise_floor=None), labels_of(50))
    assert "noise floor\nnot measured" in words_of(drawn[0])
    assert not any(isinstance(artist, Circle) for artist in drawn[0].artists)


@pytest.mark.parametrize("label", ["$x^2$", r"$\frac{broken", "<script>", "%s %d", "{}", r"\n", "100 %"])
def test_labels_are_plain_text(label: str, drawn: list[Figure]) -> None:
    labels = labels_of(50)
    labels[4] = label
    render_map(projection(), labels, watch=[label])
    assert label in words_of(drawn[0])


def test_a_label_that_no_font_can_write_is_shown_by_its_id(drawn: list[Figure]) -> None:
    labels = labels_of(50)
    labels[4], labels[5] = "\U0001fae8", "\U0001f600\u4e00\U0001fae8"
    render_map(projection(), labels, ids=np.arange(100, 150), watch=labels[4:6])
    words = words_of(drawn[0])
    assert "#104" in words
    assert "#105" in words
    assert "glyphs missing in all fonts" in words.replace("\n", " ")


@pytest.mark.usefixtures("no_cjk_font")
def test_without_a_chinese_font_labels_are_ids_with_a_note(drawn: list[Figure]) -> None:
    assert cjk_font() is None
    assert missing_font_note(["plain", "😀"]) is None
    note = missing_font_note(["plain", "讽刺"])
    assert note is not None
    assert "pip install pylopdf-fonts-zh-cn" in note
    labels = labels_of(50)
    labels[9] = "plain"
    render_map(projection(), labels, watch=["词3", "plain"], table="讽刺", groups=["积极"] * 50)
    words = words_of(drawn[0])
    assert "#3" in words
    assert "plain" in words
    assert not any("\u4e00" <= character <= "\u9fff" for character in words)


@pytest.fixture
def no_system_font(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As on a machine without any font but those of Python packages."""
    forget_fonts()
    ours = [entry for entry in font_manager.fontManager.ttflist if "mpl-data" in str(entry.fname)]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", ours)
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda *args, **kwargs: [])
    yield
    monkeypatch.undo()
    forget_fonts()


@pytest.mark.usefixtures("no_system_font")
def test_without_system_fonts_chinese_is_written_by_the_packaged_one(
    drawn: list[Figure], caplog: pytest.LogCaptureFixture
) -> None:
    assert cjk_font() == "Noto Sans SC"
    render_map(projection(), [*labels_of(49), "讽刺"], watch=["讽刺"])
    assert "讽刺" in words_of(drawn[0])
    assert "glyphs missing" not in words_of(drawn[0])
    assert not caplog.records


def test_chinese_is_written(drawn: list[Figure]) -> None:
    assert missing_font_note(["讽刺"]) is None
    labels = [*labels_of(49), "讽刺"]
    render_map(projection(), labels, watch=["讽刺"], table="词表", groups=["积极"] * 50)
    words = words_of(drawn[0])
    for part in ("讽刺", "词表", "积极"):
        assert part in words


@pytest.mark.parametrize("below", [8.0, 12.0, 20.0, 30.0])
def test_a_label_does_not_hide_a_watched_point(below: float, drawn: list[Figure]) -> None:
    layout = projection(2, coordinates=np.array([[0, 0], [0.1, -below / 66.5]], np.float32))
    render_map(layout, ["word", "other"], watch=["word", "other"])
    pixels = drawn[0].axes[0].transData.transform(layout.coordinates)
    renderer = drawn[0].canvas.get_renderer()  # type: ignore[attr-defined]
    boxes = {text.get_text(): text.get_window_extent(renderer) for text in drawn[0].texts}
    for label in ("word", "other"):
        assert not any(boxes[label].contains(x, y) for x, y in pixels)


def test_wrong_arguments() -> None:
    with pytest.raises(ValueError, match="49 values for 50 rows"):
        render_map(projection(), labels_of(49))
    with pytest.raises(ValueError, match="groups must have one value per row"):
        render_map(projection(), labels_of(50), groups=["a"])
    with pytest.raises(ValueError, match="'加息' is not"):
        render_map(projection(), labels_of(50), watch=["加息"])
    with pytest.raises(ValueError, match="2 or 3 components, not 1"):
        render_map(projection(c=1), labels_of(50))
    with pytest.raises(ValueError, match="5 x 4 inches"):
        render_map(projection(), labels_of(50), size=(3, 3))


def test_representative_rows_are_annotated_first(drawn: list[Figure]) -> None:
    representative = np.zeros(50)
    representative[33] = 5.0
    representative[2] = np.nan
    for values in (None, representative):
        render_map(projection(), labels_of(50), representative=values, annotate=1)
    assert "词0" in words_of(drawn[0])
    assert "词33" in words_of(drawn[1])


def test_numbers_are_drawn_on_a_ramp(drawn: list[Figure]) -> None:
    values = np.linspace(1, 5000, 50)
    values[7] = np.nan
    png = render_map(projection(), labels_of(50), values=values, values_name="norm_of_row", annotate=0)
    assert "norm of row" in words_of(drawn[0])
    legend = (720, 0, 1000, 300)
    assert min(share_of(png, color, legend) for color in ("#440154", "#21918C", "#FDE725")) > 0
    faces = drawn[0].axes[0].collections[0].get_facecolor()[:, :3]
    assert len(np.unique(faces, axis=0)) == 50
    assert (np.abs(faces - to_rgb(NO_GROUP)).max(axis=1) < 1e-6).sum() == 1


def test_unknown_numbers_are_gray(drawn: list[Figure]) -> None:
    render_map(projection(5), labels_of(5), values=np.full(5, np.nan), values_name="frequency")
    assert set(color_numbers(np.full(5, np.nan), "x").colors) == {NO_GROUP}


def test_very_many_points_are_a_shade_under_those_that_lie_alone(drawn: list[Figure]) -> None:
    n = 21_000
    coordinates = np.random.default_rng(0).normal(size=(n, 2)).astype(np.float32)
    groups = ["left" if x < 0 else "right" for x in coordinates[:, 0]]
    crowd = projection(coordinates=coordinates, axes=np.array([[-5.0, 5.0]] * 2, np.float32))
    png = render_map(crowd, labels_of(n), groups=groups, annotate=0)
    (axes,) = drawn[0].axes
    assert len(axes.images) == 1
    dots = sum(len(collection.get_offsets()) for collection in axes.collections)
    assert 100 < dots <= 6_000
    assert "very many points" in words_of(drawn[0])
    # Groups keep their colors: the middle of the left half is of the first, that of the right half of the second.
    left, right = color_groups(groups, n).colors[[groups.index("left"), groups.index("right")]]
    pixels = pixels_of(png)
    for own, other, across in ((left, right, 0.42), (right, left, 0.58)):
        there = pixels[400:420, int(30 + 665 * across) : int(45 + 665 * across)].reshape(-1, 3).mean(axis=0)
        assert np.abs(there - to_rgb(str(own))).sum() < np.abs(there - to_rgb(str(other))).sum() / 2
    render_map(projection(500), labels_of(500))
    assert not drawn[1].axes[0].images


def test_every_group_is_seen() -> None:
    groups = [("positive", "negative", "")[i % 3] for i in range(300)]
    png = render_map(projection(300), labels_of(300), groups=groups, annotate=0)
    for color in (GREEN, VERMILLION, NO_GROUP):
        assert share_of(png, color) > 1e-4
    assert share_of(png, GROUPS[0]) == 0


def test_no_picture_logs_lines_of_findfont(caplog: pytest.LogCaptureFixture) -> None:
    # matplotlib logs a family once.
    def search(family: str) -> None:
        font_manager.fontManager.findfont(font_manager.FontProperties(family=[family]))

    with _fonts.without_findfont_lines():
        search("No such family")
    assert not caplog.records
    search("No such family either")
    assert any("findfont" in message for message in caplog.messages)
