"""Kinds of tokens, and composition of words from tokens."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["Style", "are_words", "compose", "style_of", "token_kind"]

# Match names, not shapes: [doge] and [OK] are Weibo emoticons, <br> and <script> tokens of web pages, [笑] is a word.
_NAME = (
    r"(?:pad|padding|unk|unknown|oov|cls|sep|[gs]?mask|bos|eos|sos|bod|eod|sop|eop|blank|unused"
    r"|extra_id|reserved|start_of_turn|end_of_turn)(?:[-_ ]?(?:id[-_ ]?)?\d+)?"
)
_SPECIAL = re.compile(
    rf"\[{_NAME}\]|</?(?:s|go|start|end|{_NAME})>|<[|｜][^<>]+[|｜]>|<0x[0-9a-f]{{2}}>|__{_NAME}__", re.IGNORECASE
)
_BARE_SPECIAL = re.compile(r"UNK|OOV(?:_[A-Z]+)?")
_LATIN_PIECE = re.compile(r"[0-9A-Za-zÀ-ÖØ-öø-ɏḀ-ỿ]+")
_UNJOINED = re.compile("[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]")
_SENTENCEPIECE_SHARE = 0.05


@dataclass(frozen=True, slots=True)
class Style:
    """Marks of subword pieces in a vocabulary, and the length of its longest label in characters.

    ``##x`` is a continuation (wordpiece), ``x@@`` is continued (bpe), ``▁x`` begins a word (sentencepiece). The last
    must apply to 5% of the labels: mixed and Chinese SentencePiece vocabularies have far more, word lists almost none.
    """

    wordpiece: bool
    bpe: bool
    sentencepiece: bool
    longest: int


def style_of(labels: Iterable[str | None]) -> Style:
    """Detect how a vocabulary marks subword pieces."""
    known = begun = longest = 0
    wordpiece = bpe = False
    for label in labels:
        if not label:
            continue
        known += 1
        longest = max(longest, len(label))
        first = label[0]
        if first == "▁":
            begun += 1
        elif first == "#":
            wordpiece = wordpiece or (len(label) > 2 and label.startswith("##"))
        if label[-1] == "@":
            bpe = bpe or (len(label) > 2 and label.endswith("@@"))
    return Style(wordpiece, bpe, begun > 0 and begun >= _SENTENCEPIECE_SHARE * known, longest)


def token_kind(label: str, *, sentencepiece: bool = False) -> Literal["word", "special", "subword"]:
    """Classify a label, which is not empty, as a word, a special token or a subword piece.

    Special tokens are matched by name: ``[PAD]``, ``[unused17]``, ``<s>``, ``</s>``, ``<unk>``, ``<|endoftext|>``,
    ``<0x0A>``, LAC's ``OOV`` and similar. ``[``, ``<``, ``[笑]``, ``[OK]`` and ``<script>`` are words.

    Pieces are ``##x`` and ``x@@``. In a SentencePiece vocabulary, ``▁`` alone is a piece, and so are Latin letters and
    digits without ``▁``. Chinese has no spaces, so most whole words have no ``▁`` (``高兴`` as well as ``▁高兴``); a
    missing ``▁`` indicates a piece only in scripts that separate words by spaces.

    >>> token_kind("[unused17]"), token_kind("[笑]"), token_kind("##ing")
    ('special', 'word', 'subword')
    >>> token_kind("ing", sentencepiece=True), token_kind("高兴", sentencepiece=True)
    ('subword', 'word')
    """
    if (label[0] in "[<_" and _SPECIAL.fullmatch(label)) or (label[0] in "OU" and _BARE_SPECIAL.fullmatch(label)):
        return "special"
    marked = len(label) > 2 and (label.startswith("##") or label.endswith("@@"))
    return "subword" if marked or (sentencepiece and (label == "▁" or _LATIN_PIECE.fullmatch(label))) else "word"


def are_words(first: NDArray[np.uint8], last: NDArray[np.uint8], *, sentencepiece: bool) -> NDArray[np.bool_]:
    """Return whether the first and last bytes of labels in UTF-8 show that `token_kind` is ``"word"``.

    It may be also if they do not.
    """
    others = np.zeros(256, dtype=bool)
    others[list(b"[<_OU#")] = True
    if sentencepiece:
        # Letters and digits: ASCII; À to ɏ begin with C3 to C9, Ḁ to ỿ with E1, ▁ with E2.
        ascii_word = [code for code in range(128) if chr(code).isalnum()]
        others[[*ascii_word, *range(0xC3, 0xCA), 0xE1, 0xE2]] = True
    return np.asarray(~(others[first] | (last == ord("@"))))


def compose(word: str, index: Mapping[str, int], style: Style) -> tuple[int, ...] | None:
    """Split a word into tokens by greedy longest match, as its tokenizer does.

    Tokenizers of BERT and ERNIE separate Chinese characters *before* they match pieces, so 高兴 becomes 高 + 兴 and
    not 高 + ##兴, whose row is hardly trained. Chinese characters are therefore matched plain first, then with ``##``.
    Inside a run of letters and digits only a marked piece continues a word (``##x``, ``x@@`` before it, or any
    SentencePiece piece); with plain pieces every misspelled word could be composed of single letters, and no
    suggestion could be made. White space separates words and is skipped.

    `index` has the id of each label. The result is None if the word cannot be composed.

    References
    ----------
    Wu et al. 2016, "Google's neural machine translation system" (WordPiece); Sennrich, Haddow and Birch 2016, "Neural
    machine translation of rare words with subword units" (``@@``); Kudo and Richardson 2018, "SentencePiece".

    >>> compose("高兴", {"高": 0, "兴": 1, "##兴": 2}, style_of(["高", "兴", "##兴"]))
    (0, 1)
    """
    pieces: list[int] = []
    start = 0
    while start < len(word):
        if word[start].isspace():
            start += 1
            continue
        for end in range(min(len(word), start + style.longest), start, -1):
            found = next((index[form] for form in _forms(word, start, end, style) if form in index), None)
            if found is not None:
                pieces.append(found)
                start = end
                break
        else:
            return None
    return tuple(pieces) or None


def _forms(word: str, start: int, end: int, style: Style) -> Iterator[str]:
    """Labels that may represent ``word[start:end]``, best first."""
    part = word[start:end]
    begins = start == 0 or word[start - 1].isspace()
    continues = not begins and _joined(word[start - 1]) and _joined(word[start])
    goes_on = end < len(word) and not word[end].isspace()
    is_cut = goes_on and _joined(word[end - 1]) and _joined(word[end])
    if style.bpe and goes_on:
        yield part + "@@"
    if style.sentencepiece and begins and _joined(part[0]):
        yield "▁" + part
    if continues:
        if style.wordpiece:
            yield "##" + part
        if style.sentencepiece or (style.bpe and not is_cut):
            yield part
        return
    if not is_cut or style.wordpiece or style.sentencepiece:
        yield part
    if style.wordpiece and not begins:
        yield "##" + part
    if style.sentencepiece and begins:
        yield "▁" + part


def _joined(character: str) -> bool:
    """Whether a character joins its neighbors in one word: letters and digits, not Chinese."""
    return character.isalnum() and not _UNJOINED.match(character)
