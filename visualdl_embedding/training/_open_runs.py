"""Runs that this process records or has recorded: ended trainings are closed, and a repeated one gets a directory."""

from __future__ import annotations

import atexit
import contextlib
import gc
import logging
import os
import sys
import time
import weakref
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from types import CodeType, FrameType
from typing import TYPE_CHECKING, Any

from visualdl_embedding.logs import MARK, log_files
from visualdl_embedding.store import fresh_directory, is_run, open_run

if TYPE_CHECKING:
    from visualdl_embedding.training._ranks import SilentRecorder
    from visualdl_embedding.training._recorder import Recorder
    from visualdl_embedding.training._session import TrainingSession

__all__ = ["EXIT_SECONDS", "Driver", "choose_directory", "close_ended", "forget", "register"]

logger = logging.getLogger("visualdl_embedding")

EXIT_SECONDS = 5.0
"""Time for the last analyses of trainings that ended by an exception or Ctrl-C, of all together at exit."""
_SEARCHED_FRAMES = 12


@dataclass(frozen=True)
class Driver:
    """Function of a trainer that drives callbacks, such as ``paddle.Model.fit``, and its list of callbacks.

    The training has ended when no thread runs this function with this list. Neither the list nor the function's
    variables are kept alive.
    """

    callbacks: weakref.ref[Any]
    code: CodeType

    @classmethod
    def calling(cls, callback: object) -> Driver | None:
        """Return the driver that is calling `callback`; None if there is none, as in a plain loop."""
        owner = None
        for number, frame in enumerate(_callers(sys._getframe(1))):
            if number == _SEARCHED_FRAMES or frame.f_code.co_name == "<module>":
                return None
            this = frame.f_locals.get("self")
            known = getattr(this, "callbacks", None)
            if owner is None and isinstance(known, list) and any(other is callback for other in known):
                owner = this
            elif owner is not None and this is not owner and _knows(frame, owner):
                with contextlib.suppress(TypeError):
                    return cls(weakref.ref(owner), frame.f_code)
        return None

    def runs(self) -> bool:
        """Whether a thread of this process is inside the function."""
        owner = self.callbacks()
        if owner is None:
            return False
        frames = (frame for top in sys._current_frames().values() for frame in _callers(top))
        # Only frames of this code: reading the variables of a frame keeps them alive until it returns.
        return any(frame.f_code is self.code and _knows(frame, owner) for frame in frames)


def _callers(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def _knows(frame: FrameType, owner: object) -> bool:
    variables = frame.f_locals
    own = getattr(variables.get("self"), "__dict__", {})
    return any(value is owner for value in (*variables.values(), *own.values()))


@dataclass(frozen=True, eq=False)
class _OpenRun:
    """Recording that is not closed. The session, which holds the tables, is not kept alive."""

    session: weakref.ref[TrainingSession]
    recorder: Recorder | SilentRecorder
    folder: Path
    driver: Driver | None

    def has_ended(self) -> bool:
        return self.session() is None or (self.driver is not None and not self.driver.runs())

    def close(self, timeout: float) -> None:
        """Close, and keep what is stored."""
        session = self.session()
        _open_runs.discard(self)
        if session is not None:
            session.abandon(timeout=timeout)
        else:
            self.recorder.close(timeout=timeout)


_open_runs: set[_OpenRun] = set()
_recorded: set[Path] = set()
"""Directories with a run of this process."""


def register(
    session: TrainingSession, recorder: Recorder | SilentRecorder, *, folder: Path, driver: Driver | None
) -> None:
    """Add a recording that begins."""
    _open_runs.add(_OpenRun(weakref.ref(session), recorder, folder.resolve(), driver))
    _recorded.add(folder.resolve())


def forget(recorder: Recorder | SilentRecorder) -> None:
    """Remove a recording that is closed."""
    _open_runs.difference_update([run for run in list(_open_runs) if run.recorder is recorder])


def close_ended() -> None:
    """Close the recordings of trainings that ended by an exception or Ctrl-C, and free their memory."""
    ended = [run for run in list(_open_runs) if run.has_ended()]
    for run in ended:
        run.close(0)
        logger.info("The training recorded in %s ended early; its run is closed.", run.folder)
    if ended:
        gc.collect()  # A paddle.Model and its adapter refer to each other.


def choose_directory(
    log_dir: Path, tables: Iterable[str], *, overwrite: bool, writer: Any = None, share: Any = None
) -> Path:
    """Choose the directory of a new run, so that a training can be repeated in one process.

    Parameters
    ----------
    log_dir
        Directory that was asked for.
    tables
        Names of the tables to record. If none of them is stored, `log_dir` is the result.
    overwrite
        Move an earlier run into ``superseded-N`` of the directory. If False, and this process has recorded the earlier
        run, the result is the next unused numbered directory.
    writer, share
        As in `LogFile.open`. A `share` that has not begun and logs to `log_dir` follows to the numbered directory.

    Raises
    ------
    FileExistsError
        If one of `tables` is being recorded in `log_dir`.
    """
    folder = log_dir.resolve()
    stored = _stored(log_dir, tables) if is_run(log_dir) else set()
    in_use = any(run.folder == folder for run in list(_open_runs))
    if in_use and stored:
        raise FileExistsError(
            f"{log_dir} is in use: another callback or monitor of this process records {', '.join(sorted(stored))} "
            "there. Remove one of the two, or give each a log_dir of its own."
        )
    if in_use or not any(open_run(log_dir).steps(name) for name in stored):
        return log_dir
    is_logging = getattr(share, "writer", None) is not None
    if overwrite:
        logs = log_files(log_dir) if writer is None and not is_logging else []
        logger.warning("The earlier run was moved to %s, because of overwrite=True.", _set_aside(log_dir, logs))
    elif folder in _recorded:
        found = fresh_directory(log_dir)
        logger.warning(
            "%s holds the run of an earlier training of this process; this one is recorded in %s. Pass resume=True to "
            "continue the earlier run, overwrite=True to replace it.",
            log_dir,
            found,
        )
        if share is not None and not is_logging and Path(share.log_dir).resolve() == folder:
            share.log_dir = os.fspath(found)
        return found
    return log_dir


def _stored(log_dir: Path, tables: Iterable[str]) -> set[str]:
    return {*tables} & {*open_run(log_dir).tables()}


def _set_aside(log_dir: Path, logs: Iterable[Path]) -> Path:
    aside = next(path for number in count(1) if not (path := log_dir / f"superseded-{number}").exists())
    aside.mkdir()
    # VisualDL and the page search all folders; they find neither a file of this name nor a folder `embeddings`.
    for path in logs:
        path.rename(aside / path.name.replace(MARK, "superseded"))
    (log_dir / "embeddings").rename(aside / "tables")
    return aside


@atexit.register
def _close_all() -> None:
    """Close all recordings at exit, within one time limit."""
    deadline = time.monotonic() + EXIT_SECONDS
    for run in list(_open_runs):
        run.close(max(0.0, deadline - time.monotonic()))
