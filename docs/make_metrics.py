"""Writes metrics.md and metrics.zh-CN.md from the registry of metrics: ``python docs/make_metrics.py``."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from visualdl_embedding.metrics import METRICS, Metric

Language = Literal["en", "zh"]

FILES: dict[Language, str] = {"en": "metrics.md", "zh": "metrics.zh-CN.md"}

HEADS: dict[Language, str] = {
    "en": """# Metrics

How to read them: [Guide](guide.md#reading-the-numbers). This page is written by `python docs/make_metrics.py`.

*Per row* marks the metrics of which an analysis stores one value for every watched row, or which every watched label
gets as a curve.

| metric | of | range | better | per row | what | paper |
|---|---|---|---|---|---|---|
""",
    "zh": """# 指标

怎样解读：[指南](guide.zh-CN.md#解读数字)。本页由 `python docs/make_metrics.py` 生成。

“逐行”表示：分析结果为每个观察行各存一个值，或者每个关注标签各有一条曲线。

| 指标 | 对象 | 取值范围 | 方向 | 逐行 | 含义 | 文献 |
|---|---|---|---|---|---|---|
""",
}

SCOPES: dict[Language, dict[str, str]] = {
    "en": {
        "snapshot": "snapshot",
        "pair": "two snapshots",
        "projection": "projection",
        "part": "group, stratum",
        "row": "row",
    },
    "zh": {"snapshot": "快照", "pair": "两个快照", "projection": "投影", "part": "分组、频层", "row": "行"},
}
ORIGINS: dict[Language, dict[str, str]] = {
    "en": {"analysis": "", "log": ", in the log", "report": ", in a report"},
    "zh": {"analysis": "", "log": "（仅日志）", "report": "（仅报告）"},
}
BETTER: dict[Language, dict[bool | None, str]] = {
    "en": {True: "higher", False: "lower", None: "–"},
    "zh": {True: "越高越好", False: "越低越好", None: "–"},
}
YES: dict[Language, str] = {"en": "yes", "zh": "是"}


def render(language: Language) -> str:
    """Write the page of one language."""
    return HEADS[language] + "".join(_line(metric, language) for metric in METRICS.values())


def _line(metric: Metric, language: Language) -> str:
    cells = (
        f"`{metric.name}`",
        SCOPES[language][metric.scope] + ORIGINS[language][metric.origin],
        _range(metric, language),
        BETTER[language][metric.higher_is_better],
        YES[language] if metric.per_row else "",
        metric.description if language == "en" else metric.description_zh,
        metric.reference,
    )
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |\n"


def _range(metric: Metric, language: Language) -> str:
    if metric.low is None and metric.high is None:
        return {"en": "any", "zh": "任意"}[language]
    low = "" if metric.low is None else f"{metric.low:g}"
    if metric.high is None:
        return {"en": f"from {low}", "zh": f"≥ {low}"}[language]
    return {"en": f"{low} to {metric.high:g}", "zh": f"{low} 至 {metric.high:g}"}[language]


if __name__ == "__main__":
    for chosen, name in FILES.items():
        (Path(__file__).parent / name).write_text(render(chosen), "utf-8")
