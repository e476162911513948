"""Fonts that can write the labels, and what to write where none can."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.ft2font import FT2Font

__all__ = ["cjk_font", "families", "missing_font_note", "shown_text"]

SAMPLE = "高兴讽刺"
DEFAULT_FONT = "DejaVu Sans"
"""It comes with matplotlib, so it is always there."""
BOLD = 700
KNOWN_FONTS = (
    "Noto Sans CJK SC",
    "Noto Sans SC",
    "Source Han Sans SC",
    "Source Han Sans CN",
    "PingFang SC",
    "Hiragino Sans GB",
    "Microsoft YaHei",
    "Microsoft JhengHei",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "Sarasa Gothic SC",
    "LXGW WenKai",
    "SimHei",
    "Heiti SC",
    "Heiti TC",
    "STHeiti",
    "Noto Sans CJK TC",
    # Before 3.11 matplotlib saw only the first face of a collection, and that is the Japanese one.
    "Noto Sans CJK JP",
    "Droid Sans Fallback",
    "Arial Unicode MS",
    "Noto Serif CJK SC",
    "Noto Serif CJK JP",
    "SimSun",
    "Songti SC",
)


@cache
def cjk_font() -> str | None:
    """Find a font that writes Chinese: a system font, or else the one that the package depends on.

    Returns
    -------
    The name of its family, for `matplotlib`; None where there is none. Found once per process.
    """
    from matplotlib import font_manager

    manager = font_manager.fontManager
    installed = {entry.name for entry in manager.ttflist}
    for name in KNOWN_FONTS:
        if name in installed and _writes(name, SAMPLE):
            return _with_bold(name)
    # matplotlib keeps its list of fonts in a file, so a font that was installed since is not in it.
    listed = {str(entry.fname) for entry in manager.ttflist}
    for path in (*sorted(set(font_manager.findSystemFonts()) - listed), *_packaged_fonts()):
        try:
            manager.addfont(path)
        except (OSError, RuntimeError):  # a broken font file is no reason for a broken picture
            continue
    for name in (*KNOWN_FONTS, *sorted({entry.name for entry in manager.ttflist})):
        if "Last Resort" not in name and _writes(name, SAMPLE):
            return _with_bold(name)
    return None


def _packaged_fonts() -> list[str]:
    """Paths of fonts from Python packages: Noto Sans SC, which needs no root and no system package."""
    try:
        from pylopdf_fonts_zh_cn import sans_path
    except ImportError:
        return []
    return [str(sans_path())]


def _with_bold(name: str) -> str:
    """Let the regular weight of a family write bold text where it has no bold one, without a warning for each text."""
    from matplotlib import font_manager

    entries = [entry for entry in font_manager.fontManager.ttflist if entry.name == name]
    weights = [e.weight if isinstance(e.weight, int) else font_manager.weight_dict.get(e.weight, 0) for e in entries]
    if entries and max(weights) < BOLD:
        font_manager.fontManager.ttflist.append(replace(entries[0], weight=BOLD))
    return name


def missing_font_note() -> str | None:
    """Say what to install where no font writes Chinese; None where one does."""
    if cjk_font() is not None:
        return None
    return (
        "No installed font writes Chinese: pictures show such labels by their row id (#17). Install one, for example "
        "`pip install pylopdf-fonts-zh-cn` or `apt install fonts-noto-cjk`, and start again."
    )


def families() -> list[str]:
    """Font families for text of a picture, the first that has a glyph writes it."""
    font = cjk_font()
    return [DEFAULT_FONT] if font is None else [font, DEFAULT_FONT]


def shown_text(text: str, *, instead: str, longest: int = 16) -> str:
    """Make data fit for a picture: one line, no longer than asked for, and no glyph that is missing.

    Parameters
    ----------
    text
        A label or a name; control and format characters become spaces or vanish.
    instead
        What to show where a glyph is missing or nothing is left.
    longest
        Length in columns, at least 2; a Chinese character takes two. A longer text ends in ``…``.
    """
    line = "".join(_plain(character) for character in text)
    line = " ".join(line.split())
    if not line or not all(_has_glyph(character) for character in line if character != " "):
        return instead
    return _shorten(line, longest)


def _plain(character: str) -> str:
    category = unicodedata.category(character)
    if category == "Cf" or 0xFE00 <= ord(character) <= 0xFE0F:
        return ""
    return " " if category in ("Cc", "Zl", "Zp") else character


def _shorten(line: str, longest: int) -> str:
    widths = [2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in line]
    if sum(widths) <= longest:
        return line
    used, end = 1, 0
    while end < len(line) and used + widths[end] <= longest:
        used += widths[end]
        end += 1
    return line[:end].rstrip() + "…"


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
