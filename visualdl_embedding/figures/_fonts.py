"""Fonts for labels, and replacements for labels that no font can draw."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from visualdl_embedding.core.text import picture_line, shorten

if TYPE_CHECKING:
    from matplotlib.ft2font import FT2Font

__all__ = ["cjk_font", "families", "missing_font_note", "shown_text", "without_findfont_lines"]

SAMPLE = "高兴讽刺"
DEFAULT_FONT = "DejaVu Sans"
"""Bundled with matplotlib, so always available."""
BOLD = 700
# Before 3.11 matplotlib reads only the first face of a collection, which is the Japanese one ("Noto Sans CJK JP").
KNOWN_FONTS = (
    "Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "Source Han Sans CN", "PingFang SC", "Hiragino Sans GB",
    "Microsoft YaHei", "Microsoft JhengHei", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "Sarasa Gothic SC",
    "LXGW WenKai", "SimHei", "Heiti SC", "Heiti TC", "STHeiti", "Noto Sans CJK TC", "Noto Sans CJK JP",
    "Droid Sans Fallback", "Arial Unicode MS", "Noto Serif CJK SC", "Noto Serif CJK JP", "SimSun", "Songti SC",
)  # fmt: skip


_CHINESE = re.compile("[\u2e80-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")


@contextmanager
def without_findfont_lines() -> Iterator[None]:
    """Suppress matplotlib's warnings of fonts and weights that it replaces, one for each text of a picture."""

    def keep(record: logging.LogRecord) -> bool:
        return not str(record.msg).startswith("findfont")

    source = logging.getLogger("matplotlib.font_manager")
    source.addFilter(keep)
    try:
        yield
    finally:
        source.removeFilter(keep)


@cache
@without_findfont_lines()
def cjk_font() -> str | None:
    """Return the family name of a font with Chinese glyphs, from the system or from a package dependency, or None."""
    from matplotlib import font_manager

    manager = font_manager.fontManager
    installed = {entry.name for entry in manager.ttflist}
    for name in KNOWN_FONTS:
        if name in installed and _writes(name, SAMPLE):
            return _with_bold(name)
    # matplotlib caches its list of fonts in a file, so newly installed fonts are not in it.
    paths = sorted(set(font_manager.findSystemFonts()) - {str(entry.fname) for entry in manager.ttflist})
    with suppress(ImportError):
        from pylopdf_fonts_zh_cn import sans_path

        paths.append(str(sans_path()))
    for path in paths:
        with suppress(OSError, RuntimeError):  # ignore broken font files
            manager.addfont(path)
    for name in (*KNOWN_FONTS, *sorted({entry.name for entry in manager.ttflist})):
        if "Last Resort" not in name and _writes(name, SAMPLE):
            return _with_bold(name)
    return None


def _with_bold(name: str) -> str:
    """Register the regular weight of a family as bold if it has no bold weight, to avoid a warning per text."""
    from matplotlib.font_manager import fontManager, weight_dict

    entries = [entry for entry in fontManager.ttflist if entry.name == name]
    weights = [e.weight if isinstance(e.weight, int) else weight_dict.get(e.weight, 0) for e in entries]
    if entries and max(weights) < BOLD:
        fontManager.ttflist.append(replace(entries[0], weight=BOLD))
    return name


def missing_font_note(texts: Iterable[str]) -> str | None:
    """Advice on installing a Chinese font; None if one is installed, or if none of the texts of a picture needs it."""
    if not any(map(_CHINESE.search, texts)) or cjk_font() is not None:
        return None
    return (
        "No installed font has Chinese glyphs: pictures show such labels by row id (#17). Install one, for example "
        "`pip install pylopdf-fonts-zh-cn` or `apt install fonts-noto-cjk`, and restart."
    )


def families() -> list[str]:
    """Font families for text in a picture; the first with a glyph is used."""
    font = cjk_font()
    return [DEFAULT_FONT] if font is None else [font, DEFAULT_FONT]


def shown_text(text: str, *, instead: str, longest: int = 16) -> str:
    """Prepare a text for a picture: one line, of limited length, without missing glyphs.

    Parameters
    ----------
    text
        A label or a name; control and format characters are replaced by spaces or removed.
    instead
        Replacement if a glyph is missing or the text is empty.
    longest
        Maximum length in columns, at least 2; a Chinese character takes two. Longer texts end in ``…``.
    """
    line = picture_line(text)
    if not line or not all(_has_glyph(character) for character in line if character != " "):
        return instead
    return shorten(line, longest)


@cache
def _has_glyph(character: str) -> bool:
    return any(_writes(name, character) for name in families())


def _writes(name: str, text: str) -> bool:
    font = _open(name)
    return font is not None and all(font.get_char_index(ord(character)) for character in text)


@cache
def _open(name: str) -> FT2Font | None:
    from matplotlib import font_manager

    try:
        path = font_manager.findfont(font_manager.FontProperties(family=[name]), fallback_to_default=False)
        return font_manager.get_font(path)
    except (ValueError, OSError, RuntimeError):
        return None
