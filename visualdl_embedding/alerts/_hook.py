"""Commands that receive alerts, for example to send a mail or a chat message."""

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
from visualdl_embedding.core.jsonable import dumps
from visualdl_embedding.core.text import visible_text

__all__ = ["HookResult", "run_hook"]

_TAIL = 400
"""Bytes of the command's last output to keep; enough for the last lines of a traceback."""


@dataclass(frozen=True)
class HookResult:
    """Result of a command.

    Attributes
    ----------
    status
        Exit status, negative for a signal; None if it did not start or timed out.
    reason
        Reason for a failure, as a sentence; ``""`` on success.
    """

    status: int | None
    reason: str = ""

    @property
    def ok(self) -> bool:
        """Whether the exit status is 0."""
        return self.status == 0


def run_hook(command: str | Sequence[str], alert: Alert, *, timeout: float = 30.0) -> HookResult:
    """Run a command with an alert as one line of JSON (`Alert.to_dict`, UTF-8) on its standard input.

    Never raises, so that a broken command does not end a training.

    Parameters
    ----------
    command
        Split like in a shell, but run without one, so that labels cannot inject commands; a list is used unchanged.
    timeout
        Seconds after which the command and its child processes are killed.
    """
    try:
        words = shlex.split(command) if isinstance(command, str) else list(command)
    except ValueError as error:
        return HookResult(None, f"The command {command!r} cannot be parsed: {error}.")
    if not words:
        return HookResult(None, "The command is empty; use a program that reads JSON from its standard input.")
    try:
        # Use a file, not a pipe: a process that survives the command could keep a pipe open.
        with tempfile.TemporaryFile() as said:
            return _run(words, dumps(alert.to_dict()).encode() + b"\n", timeout=timeout, said=said)
    except Exception as error:
        return HookResult(None, f"The command {words[0]!r} could not be run: {error}.")


def _run(words: list[str], line: bytes, *, timeout: float, said: IO[bytes]) -> HookResult:
    # Use a new session: Ctrl-C reaches only the trainer, and the timeout reaches the command's children.
    process = subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=said, start_new_session=True
    )
    status: int | None = None
    try:
        process.communicate(line, timeout=timeout)
        status = process.returncode
    except subprocess.TimeoutExpired:
        pass
    finally:
        if process.poll() is None:
            _end(process)
    if status == 0:
        return HookResult(0)
    said.seek(max(0, said.seek(0, os.SEEK_END) - _TAIL))
    output = visible_text(" ".join(said.read().decode("utf-8", "replace").split()))
    end = f"was killed after {timeout:g} s" if status is None else f"ended with status {status}"
    return HookResult(status, f"The command {words[0]!r} {end}." + (f" Its output: {output}" if output else ""))


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
