"""Registration of the callback as ``report_to: embedding``, for command lines that take no callbacks.

Importing this module adds the name ``embedding`` to the integrations of PaddleNLP, PaddleFormers or PaddleFleet. Import
it at any time before a ``Trainer`` is made; ``custom_register_path`` of PaddleFormers takes a file with this import.

The callback takes its options from the TOML file that the environment variable ``VISUALDL_EMBEDDING_CONFIG`` names, or
from ``embedding.toml`` in the working directory if it exists. The keys are the options of `EmbeddingTrainerCallback`.
Paths in it are relative to the working directory.
"""

from __future__ import annotations

import inspect
import logging
import os
import sys
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from visualdl_embedding.callbacks.trainer import EmbeddingTrainerCallback
from visualdl_embedding.core.suggest import did_you_mean
from visualdl_embedding.core.toml import read_toml

__all__ = ["ConfiguredTrainerCallback", "read_options", "register_callback"]

CONFIG_VARIABLE = "VISUALDL_EMBEDDING_CONFIG"
DEFAULT_CONFIG = "embedding.toml"
FRAMEWORKS = ("paddlenlp", "paddleformers", "paddlefleet")
_OBJECTS = {"probes", "writer", "initial_step", "on_alert", "config", "settings"}
"""Options that no file can hold, or that the callback does not accept."""

logger = logging.getLogger("visualdl_embedding")


class ConfiguredTrainerCallback(EmbeddingTrainerCallback):
    """Callback that trainers make without arguments; its options come from `read_options`."""

    def __init__(self) -> None:
        super().__init__(**read_options())


def read_options() -> dict[str, Any]:
    """Read the options from the file that is described above; empty if there is none.

    Raises
    ------
    FileNotFoundError, ValueError
        If the environment variable names no file, or the file is not TOML, or has unknown keys.
    """
    path = os.environ.get(CONFIG_VARIABLE)
    if not path:
        if not os.path.exists(DEFAULT_CONFIG):
            logger.info(
                "No %s and no %s: embeddings are recorded with default options.", CONFIG_VARIABLE, DEFAULT_CONFIG
            )
            return {}
        path = DEFAULT_CONFIG
    try:
        options = read_toml(path)
    except FileNotFoundError:
        raise FileNotFoundError(
            f"{CONFIG_VARIABLE} names {path}, but there is no such file. Give the path of a TOML file."
        ) from None
    except ValueError as error:
        raise ValueError(f"The options of the embedding callback in {path} cannot be read: {error}") from None
    known = [name for name in inspect.signature(EmbeddingTrainerCallback).parameters if name not in _OBJECTS]
    for key in options:
        if key not in known:
            near = did_you_mean(key, known, otherwise="")
            raise ValueError(
                f"{path} has the unknown option {key!r}{f'; {near}' if near else '.'} Options are {', '.join(known)}."
            )
    return options


def register_callback() -> list[str]:
    """Add ``embedding`` to the integrations of the imported frameworks, or if none is imported, of the installed ones.

    Returns
    -------
    Names of the frameworks.
    """
    found = [name for name in FRAMEWORKS if name in sys.modules] or [name for name in FRAMEWORKS if find_spec(name)]
    for name in found:
        import_module(f"{name}.trainer.integrations").INTEGRATION_TO_CALLBACK["embedding"] = ConfiguredTrainerCallback
    if not found:
        logger.warning(
            "report_to: embedding was not registered, because none of %s is installed.", ", ".join(FRAMEWORKS)
        )
    return found


register_callback()
