"""Demo: a small sentiment classifier trained on real Chinese reviews, with its word embeddings recorded.

Its data come from installed packages, see `load_corpus`; only `ReviewClassifier` and `run_demo` require paddle.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from visualdl_embedding.demo._corpus import WATCH, Corpus, cut_words, encode, load_corpus
from visualdl_embedding.demo._run import run_demo
from visualdl_embedding.demo._summary import DemoSummary

if TYPE_CHECKING:
    from visualdl_embedding.demo._classifier import ReviewClassifier, Reviews

__all__ = [
    "WATCH",
    "Corpus",
    "DemoSummary",
    "ReviewClassifier",
    "Reviews",
    "cut_words",
    "encode",
    "load_corpus",
    "run_demo",
]


def __getattr__(name: str) -> Any:
    """Import on first use (PEP 562), so that ``visualdl-embedding --help`` does not import paddle."""
    if name in ("ReviewClassifier", "Reviews"):
        from visualdl_embedding.demo import _classifier

        return getattr(_classifier, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
