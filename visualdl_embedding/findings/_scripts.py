"""Detector of digits, Latin letters, punctuation and other scripts that are separate in the space."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from typing import Literal

import numpy as np

from visualdl_embedding import metrics
from visualdl_embedding.core.text import Text
from visualdl_embedding.findings._finding import Advice, Finding, percent, texts
from visualdl_embedding.findings._shared import SHUFFLES, Space, class_purity

__all__ = ["SCRIPTS", "Script", "find_scripts", "script_of"]

Script = Literal["digits", "latin", "han", "kana", "hangul", "punctuation", "other", "mixed"]
SCRIPTS: dict[Script, Text] = {
    "digits": Text("Digits", "数字"),
    "latin": Text("Latin letters", "拉丁字母"),
    "han": Text("Chinese characters", "汉字"),
    "kana": Text("Kana", "假名"),
    "hangul": Text("Hangul", "谚文"),
    "punctuation": Text("Punctuation and symbols", "标点和符号"),
    "other": Text("Other scripts", "其他文字"),
    "mixed": Text("Labels of several scripts", "混合文字的标签"),
}
"""Names of the classes of labels."""
_MARKS = re.compile(r"^(?:##|▁|Ġ)|@@$| \(-?\d+\)$")
"""Marks that tokenizers and this library add to a word."""
_NAMES: dict[Script, tuple[str, ...]] = {
    "latin": ("LATIN ", "FULLWIDTH LATIN "),
    "han": ("CJK ", "IDEOGRAPHIC "),
    "kana": ("HIRAGANA ", "KATAKANA", "HALFWIDTH KATAKANA"),
    "hangul": ("HANGUL ", "HALFWIDTH HANGUL"),
}
"""Beginnings of the Unicode names of characters."""
_MIN_CLASS = 5
_MIN_ROWS = 20
_KAPPA = 0.3
"""Minimum purity, as a share of the way from chance to perfect separation."""
_STRONG = 0.6
_ADVICE = Advice(
    check="Color the map by script; then check whether these labels are near related words (a number near its unit, a "
    "brand near its products). If the task does not use them, they are harmless.",
    check_zh="按文字类别给图着色，检查这些标签是否靠近相关的词（数字靠近单位，品牌靠近产品）。若任务用不到它们，则可以忽略。",
    causes=texts(
        "They occur in the same contexts, independent of their meaning, as expected for numbers and punctuation.",
        "它们总是出现在同类上下文中，与含义无关：数字和标点往往如此。",
        "Word pieces from tokenization: they receive gradients of many words and the meaning of none.",
        "分词切出的碎片：得到许多词的梯度，却没有任何一个词的含义。",
        "They are rare in the training data, or removed by normalization, and remain close to their initial values.",
        "它们在训练数据中很少，或被规范化去掉，因此停留在初始位置附近。",
    ),
)


@lru_cache(maxsize=65536)
def _script_of_character(character: str) -> Script | None:
    """Script of a character; None for marks and white space."""
    category, name = unicodedata.category(character), unicodedata.name(character, "")
    if category[0] == "N" and not name.startswith(_NAMES["han"]):
        return "digits"
    if category[0] in "PS":
        return "punctuation"
    if category[0] not in "LN":
        return None
    return next((script for script, starts in _NAMES.items() if name.startswith(starts)), "other")


def script_of(label: str) -> Script:
    """Classify the script of a label.

    Numbers may contain signs (``3.5``, ``50%``), words too (``don't``), and kana may occur with Chinese characters;
    marks of tokenizers (``##``, ``▁``, ``@@``) and the id after an ambiguous label are ignored.

    >>> script_of("2024"), script_of("##ing"), script_of("高兴"), script_of("T恤"), script_of("！")
    ('digits', 'latin', 'han', 'mixed', 'punctuation')
    """
    plain = _MARKS.sub("", label) or label
    found = {script for character in plain if (script := _script_of_character(character))}
    if len(found) > 1:
        found.discard("punctuation")
    if found == {"han", "kana"}:
        return "kana"
    if not found:
        return "other"
    return found.pop() if len(found) == 1 else "mixed"


def find_scripts(space: Space) -> Iterator[Finding]:
    """Find scripts whose rows have mostly neighbors of the same script; one finding for each."""
    n = len(space)
    if n < _MIN_ROWS or not space.neighbors.n_neighbors:
        return
    names, scripts = list(SCRIPTS), [script_of(label) for label in space.labels]
    counts = Counter(scripts)
    # The script of most rows is the main language of the table.
    chosen = [s for s in names if s not in ("other", "mixed") and _MIN_CLASS <= counts[s] <= n / 2]
    if not chosen:
        return
    codes = np.array([names.index(script) for script in scripts], dtype=np.int32)
    k = min(space.neighbors.n_neighbors, 15)
    purity = class_purity(space.neighbors.indices[:, :k], codes, len(names), random_state=space.random_state)
    for script in chosen:
        code, count = names.index(script), counts[script]
        share, limit = float(purity.observed[code]), float(purity.shuffled[:, code].max())
        chance = (count - 1) / (n - 1)
        # The maximum purity of a class is lower if it has fewer rows than neighbors.
        kappa = (share - chance) / (min(1.0, (count - 1) / k) - chance)
        if not (share > limit and kappa >= _KAPPA):
            continue
        rows = np.flatnonzero(codes == code)
        rows = rows[np.lexsort((space.steps[rows, 0], -purity.rows[rows]))]
        some, title = space.names(rows), SCRIPTS[script]
        yield space.finding(
            "script_corner",
            "warning" if kappa >= _STRONG else "info",
            Text(f"{title.en} are separate", f"{title.zh}自成一簇"),
            Text(
                f"{count:,} labels ({some.en}): {percent(share)} of their {k} nearest neighbors have the same script, "
                f"compared with {percent(chance)} by chance and at most {percent(limit)} in {SHUFFLES} shuffles.",
                f"{count:,} 个标签（{some.zh}）：其 {k} 个最近邻中 {percent(share)} 属于同一文字类别，随机期望为 "
                f"{percent(chance)}，{SHUFFLES} 次随机打乱的最大值为 {percent(limit)}。",
            ),
            _ADVICE,
            rows=rows,
            numbers={
                "num_rows": count,
                "purity": share,
                "chance": chance,
                "shuffled_max": limit,
                "over_chance": kappa,
                "mean_cosine": metrics.mean_cosine(space.vectors[rows]),
                "mean_cosine_all": space.scalar("mean_cosine"),
            },
        )
