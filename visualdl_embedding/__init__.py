"""Embedding tables of PaddlePaddle models over training time: comparable maps, metrics, findings and alerts.

>>> import visualdl_embedding as vde
>>> callback = vde.EmbeddingCallback("runs/a", vocabulary="vocab.txt")  # doctest: +SKIP
>>> run = vde.open_run("runs/a")  # doctest: +SKIP
>>> model = vde.open_model("model.pdparams", vocabulary="vocab.txt")  # doctest: +SKIP

Every name is loaded on first use (PEP 562); importing the package loads none of them. The packages below hold more:
`visualdl_embedding.metrics`, `visualdl_embedding.findings`, `visualdl_embedding.alerts`,
`visualdl_embedding.vocabulary`, `visualdl_embedding.files`, `visualdl_embedding.server`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from visualdl_embedding.analysis import Analysis, Config, analyze
    from visualdl_embedding.analysis import analyze as analyse
    from visualdl_embedding.callbacks import EmbeddingCallback, EmbeddingMonitor, EmbeddingTrainerCallback
    from visualdl_embedding.core.neighbors import nearest_neighbors
    from visualdl_embedding.core.rows import Rows
    from visualdl_embedding.core.snapshot import Snapshot
    from visualdl_embedding.drift import compare_snapshots
    from visualdl_embedding.errors import (
        DamagedFileError,
        EmbeddingError,
        NewerFormatError,
        NotAnalysedError,
        NotAnalyzedError,
        RulesError,
        UnreadableModelError,
    )
    from visualdl_embedding.models import Model, explain, open_model
    from visualdl_embedding.projection import align, project
    from visualdl_embedding.reports import Report, report
    from visualdl_embedding.runs import check
    from visualdl_embedding.store import Run, open_run
    from visualdl_embedding.training import Probe, RecorderSettings

    __version__: str

_MODULES = {
    "Analysis": "analysis",
    "Config": "analysis",
    "DamagedFileError": "errors",
    "EmbeddingCallback": "callbacks",
    "EmbeddingError": "errors",
    "EmbeddingMonitor": "callbacks",
    "EmbeddingTrainerCallback": "callbacks",
    "Model": "models",
    "NewerFormatError": "errors",
    "NotAnalysedError": "errors",
    "NotAnalyzedError": "errors",
    "Probe": "training",
    "RecorderSettings": "training",
    "Report": "reports",
    "Rows": "core.rows",
    "RulesError": "errors",
    "Run": "store",
    "Snapshot": "core.snapshot",
    "UnreadableModelError": "errors",
    "align": "projection",
    "analyse": "analysis",
    "analyze": "analysis",
    "check": "runs",
    "compare_snapshots": "drift",
    "explain": "models",
    "nearest_neighbors": "core.neighbors",
    "open_model": "models",
    "open_run": "store",
    "project": "projection",
    "report": "reports",
}
"""Module of each public name."""
_OLD_SPELLINGS = {"analyse": "analyze"}

__all__ = [
    "Analysis",
    "Config",
    "DamagedFileError",
    "EmbeddingCallback",
    "EmbeddingError",
    "EmbeddingMonitor",
    "EmbeddingTrainerCallback",
    "Model",
    "NewerFormatError",
    "NotAnalysedError",
    "NotAnalyzedError",
    "Probe",
    "RecorderSettings",
    "Report",
    "Rows",
    "RulesError",
    "Run",
    "Snapshot",
    "UnreadableModelError",
    "__version__",
    "align",
    "analyse",
    "analyze",
    "check",
    "compare_snapshots",
    "explain",
    "nearest_neighbors",
    "open_model",
    "open_run",
    "project",
    "report",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), _OLD_SPELLINGS.get(name, name))
    if name == "__version__":
        from importlib.metadata import PackageNotFoundError, version

        try:
            return version("visualdl-embedding")
        except PackageNotFoundError:  # run from a checkout that is not installed
            return "0+unknown"
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
