"""The observatory for embedding tables in PaddlePaddle.

`open_run` reads what a training left. The callback stands in `visualdl_embedding.callbacks`, the raw parts in
`visualdl_embedding.projection`, `visualdl_embedding.core.neighbors`, `visualdl_embedding.metrics` and
`visualdl_embedding.analysis`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from visualdl_embedding.store import Run, open_run

    __version__: str

__all__ = ["Run", "__version__", "open_run"]


def __getattr__(name: str) -> Any:
    """Load on first use (PEP 562): a training that imports a callback need not pay for the reader of runs."""
    if name == "__version__":
        from importlib.metadata import PackageNotFoundError, version

        try:
            return version("visualdl-embedding")
        except PackageNotFoundError:  # run from a checkout that is not installed
            return "0+unknown"
    if name in __all__:
        from visualdl_embedding import store

        return getattr(store, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
