"""Telling another program of an alert: a mail, a chat robot."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO

from visualdl_embedding.alerts._alert import Alert
from visualdl_embedding.alerts._plain import clean
from visualdl_embedding.core.jsonable import dumps

__all__ = ["HookResult", "run_hook"]

_TAIL = 400
"""Bytes of what the command said last; enough for the last lines of a traceback."""


@dataclass(frozen=True)
class HookResult:
    """What became of a command.

    Attributes
    ----------
    status
        Its exit status, negative for the signal that ended it; None where it never started or ran out of time.
    reason
        Why it did not do its work, as a sentence; ``""`` where it did.
    """

    status: int | None
    reason: str = ""

    @property
    def ok(self) -> bool:
        """Whether it ended with status 0."""
        return self.status == 0


def run_hook(command: str | Sequence[str], alert: Alert, *, timeout: float = 30.0) -> HookResult:
    """Run a command with an alert as one line of JSON (`Alert.to_dict`, UTF-8) on its standard input.

    Never raises: a chat robot that is down must not end a training.

    Parameters
    ----------
    command
        Split as a shell would split it, but run without one, so that a label can never become a command; a list is
        taken as it is.
    timeout
        Seconds after which it is ended, with all that it started.
    """
    try:
        words = shlex.split(command) if isinstance(command, str) else list(command)
    except ValueError as error:
        return HookResult(None, f"The command {command!r} cannot be read: {error}.")
    if not words:
        return HookResult(None, "The command is empty; give a program that reads JSON from its standard input.")
    try:
        # A file and no pipe: what outlives the command could hold a pipe open for ever.
        with tempfile.TemporaryFile() as said:
            return _run(words, dumps(alert.to_dict()).encode() + b"\n", timeout=timeout, said=said)
    except Exception as error:
        return HookResult(None, f"The command {words[0]!r} did not run: {error}.")


def _run(words: list[str], line: bytes, *, timeout: float, said: IO[bytes]) -> HookResult:
    # A session of its own, so that Ctrl-C stays the trainer's and the timeout can reach the command's children.
    process = subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=said, start_new_session=True
    )
    try:
        process.communicate(line, timeout=timeout)
    except subprocess.TimeoutExpired:
        return HookResult(None, f"The command {words[0]!r} was ended after {timeout:g} s.{_tail(said)}")
    finally:
        if process.poll() is None:
            _end(process)
    if process.returncode:
        return HookResult(
            process.returncode, f"The command {words[0]!r} ended with status {process.returncode}.{_tail(said)}"
        )
    return HookResult(0)


def _end(process: subprocess.Popen[bytes]) -> None:
    with suppress(OSError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    if process.stdin is not None:
        with suppress(OSError):
            process.stdin.close()
    process.wait()


def _tail(said: IO[bytes]) -> str:
    size = said.seek(0, os.SEEK_END)
    said.seek(max(0, size - _TAIL))
    text = clean(said.read().decode("utf-8", "replace")).strip()
    return f" It said: {text}" if text else ""
