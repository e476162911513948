"""Detector of digits, Latin letters, punctuation and other scripts that are separate in the space."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from functools import lru_cache
from typing import Literal

import numpy as np

from visualdl_embedding import metrics
from visualdl_embedding.core.text import Text
from visualdl_embedding.findings._finding import Finding
from visualdl_embedding.findings._purity import SHUFFLES, class_purity, same_class_share
from visualdl_embedding.findings._space import Space
from visualdl_embedding.findings._text import name_some, percent

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
_NAMES: tuple[tuple[str, Script], ...] = (
    ("LATIN ", "latin"),
    ("FULLWIDTH LATIN ", "latin"),
    ("CJK ", "han"),
    ("IDEOGRAPHIC ", "han"),
    ("HIRAGANA ", "kana"),
    ("KATAKANA", "kana"),
    ("HALFWIDTH KATAKANA", "kana"),
    ("HANGUL ", "hangul"),
    ("HALFWIDTH HANGUL", "hangul"),
)
_MIN_CLASS = 5
_MIN_ROWS = 20
_KAPPA = 0.3
"""Minimum purity, as a share of the way from chance to perfect separation."""
_STRONG = 0.6


@lru_cache(maxsize=65536)
def _script_of_character(character: str) -> Script | None:
    """Script of a character; None for marks and white space."""
    category = unicodedata.category(character)
    if category[0] == "N" and not unicodedata.name(character, "").startswith(("CJK ", "IDEOGRAPHIC ")):
        return "digits"
    if category[0] in "PS":
        return "punctuation"
    if category[0] not in "LN":
        return None
    name = unicodedata.name(character, "")
    return next((script for start, script in _NAMES if name.startswith(start)), "other")


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


def find_scripts(space: Space) -> list[Finding]:
    """Find scripts whose rows have mostly neighbors of the same script; one finding for each."""
    n = len(space)
    if n < _MIN_ROWS or not space.neighbors.n_neighbors:
        return []
    scripts = [script_of(label) for label in space.labels]
    counts = Counter(scripts)
    # The script of most rows is the main language of the table.
    chosen = [s for s in SCRIPTS if s not in ("other", "mixed") and _MIN_CLASS <= counts[s] <= n / 2]
    if not chosen:
        return []
    names = list(SCRIPTS)
    codes = np.array([names.index(script) for script in scripts], dtype=np.int32)
    k = min(space.neighbors.n_neighbors, 15)
    indices = space.neighbors.indices[:, :k]
    purity = class_purity(indices, codes, len(names), random_state=space.random_state)
    share_same = same_class_share(indices, codes)
    overall = space.scalar("mean_cosine")
    findings = []
    for script in chosen:
        code = names.index(script)
        count, share = counts[script], float(purity.observed[code])
        chance = (count - 1) / (n - 1)
        # The maximum purity of a class is lower if it has fewer rows than neighbors.
        best = min(1.0, (count - 1) / k)
        kappa = (share - chance) / (best - chance)
        limit = float(purity.shuffled[:, code].max())
        if not (share > limit and kappa >= _KAPPA):
            continue
        rows = np.flatnonzero(codes == code)
        rows = rows[np.lexsort((space.steps[rows, 0], -share_same[rows]))]
        cosine = metrics.mean_cosine(space.vectors[rows])
        some, title = name_some([space.labels[i] for i in rows]), SCRIPTS[script]
        numbers = {
            "num_rows": count,
            "purity": share,
            "chance": chance,
            "shuffled_max": limit,
            "over_chance": kappa,
            "mean_cosine": cosine,
            "mean_cosine_all": overall,
        }
        findings.append(
            Finding.of(
                "script_corner",
                "warning" if kappa >= _STRONG else "info",
                Text(f"{title.en} are separate", f"{title.zh}自成一簇"),
                evidence=Text(
                    f"{count:,} labels ({some.en}): {percent(share)} of their {k} nearest neighbors have the same "
                    f"script, compared with {percent(chance)} by chance and at most {percent(limit)} in {SHUFFLES} "
                    "shuffles.",
                    f"{count:,} 个标签（{some.zh}）：其 {k} 个最近邻中 {percent(share)} 属于同一文字类别，随机期望为 "
                    f"{percent(chance)}，{SHUFFLES} 次随机打乱的最大值为 {percent(limit)}。",
                ),
                causes=_CAUSES,
                next_check=Text(
                    "Color the map by script; then check whether these labels are near related words "
                    "(a number near its unit, a brand near its products). If the task does not use them, they are "
                    "harmless.",
                    "按文字类别给图着色，检查这些标签是否靠近相关的词（数字靠近单位，品牌靠近产品）。"
                    "若任务用不到它们，则可以忽略。",
                ),
                rows=space.positions[rows],
                labels=space.snapshot.labels,
                numbers={name: value for name, value in numbers.items() if np.isfinite(value)},
            )
        )
    return findings


_CAUSES = [
    Text(
        "They occur in the same contexts, independent of their meaning, as expected for numbers and punctuation.",
        "它们总是出现在同类上下文中，与含义无关：数字和标点往往如此。",
    ),
    Text(
        "Word pieces from tokenization: they receive gradients of many words and the meaning of none.",
        "分词切出的碎片：得到许多词的梯度，却没有任何一个词的含义。",
    ),
    Text(
        "They are rare in the training data, or removed by normalization, and remain close to their initial values.",
        "它们在训练数据中很少，或被规范化去掉，因此停留在初始位置附近。",
    ),
]
