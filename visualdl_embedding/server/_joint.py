"""Joint maps of two snapshots: asked for, made in a child process one at a time, read from the cache."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from collections import OrderedDict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

from visualdl_embedding.analysis import split_key
from visualdl_embedding.core.process import start_child
from visualdl_embedding.runs import Joint, Side, align_maps, cache_folder, read_cached
from visualdl_embedding.server._endpoint import Answer, BadRequest, NotReady
from visualdl_embedding.server._frames import frame_key, pack
from visualdl_embedding.server._served import NotFound, ServedTable
from visualdl_embedding.server._source import RunSource

__all__ = ["Comparisons", "compare", "compare_frame"]

Asked = Mapping[str, Any]
_MAX_WAITING = 4
"""A slider that is dragged asks for every step on its way: the newest wishes count, older ones are dropped."""
_MAX_REMEMBERED = 256
_RETRY_SECONDS = 30.0
"""After which what failed is tried again: memory may be free by then."""


@dataclass
class _Job:
    a: Side
    b: Side
    projection: str
    cache: str
    done: float = 0.0
    error: str | None = None


class Comparisons:
    """Makes joint maps, one at a time, in a child process that ends with this one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: OrderedDict[Hashable, _Job] = OrderedDict()
        self._failed: OrderedDict[Hashable, tuple[str, float]] = OrderedDict()
        self._current: tuple[Hashable, _Job] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._thread: threading.Thread | None = None
        self._closed = False

    def ask(self, key: Hashable, job: _Job) -> float:
        """See to it that a map gets made; gives the share that is done.

        Raises
        ------
        NotFound
            If it was tried and could not be done; the message says why.
        """
        with self._lock:
            error, at = self._failed.get(key, ("", 0.0))
            if error and time.monotonic() - at < _RETRY_SECONDS:
                raise NotFound(error)
            if self._current is not None and self._current[0] == key:
                return self._current[1].done
            if key not in self._waiting and not self._closed:
                self._waiting[key] = job
            if key in self._waiting:
                self._waiting.move_to_end(key)
            while len(self._waiting) > _MAX_WAITING:
                self._waiting.popitem(last=False)
            if self._waiting and self._thread is None:
                self._thread = threading.Thread(target=self._work, name="visualdl-embedding-compare", daemon=True)
                self._thread.start()
            return 0.0

    def close(self) -> None:
        """Make no more, and end the one under way."""
        with self._lock:
            self._closed = True
            self._waiting.clear()
            if self._process is not None:
                self._process.kill()

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._thread = None
                    return
                key, job = self._waiting.popitem(last=True)
                self._current = (key, job)
            try:
                self._make(job)
            except OSError as error:
                job.error = f"The comparison could not be started: {error.strerror}."
            with self._lock:
                self._current = None
                if job.error is not None and not self._closed:
                    self._failed[key] = (job.error, time.monotonic())
                    while len(self._failed) > _MAX_REMEMBERED:
                        self._failed.popitem(last=False)

    def _make(self, job: _Job) -> None:
        order = {"a": vars(job.a), "b": vars(job.b), "projection": job.projection, "cache": job.cache}
        # In a session of its own: Ctrl-C is the server's, which then closes stdin.
        with start_child("visualdl_embedding.runs.joint_worker", stderr=subprocess.DEVNULL) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            with self._lock:
                self._process = process
                if self._closed:
                    process.kill()
            try:
                process.stdin.write(json.dumps(order).encode() + b"\n")
                process.stdin.flush()
                for line in process.stdout:
                    said = json.loads(line)
                    if isinstance(said, dict):
                        job.error = said["error"]
                    else:
                        job.done = float(said)
            except BrokenPipeError:
                pass
            finally:
                with self._lock:
                    self._process = None
        if process.returncode and job.error is None:
            job.error = (
                f"The comparison ended unexpectedly (exit code {process.returncode}), perhaps for lack of memory."
            )


def compare(source: RunSource, comparisons: Comparisons, asked: Asked) -> Answer:
    """Ask for a joint map, and tell how far it is."""
    a, b = _sides(source, asked)
    key = _key(a, b, asked)
    joint = _find(source, a, b, asked)
    if joint is None:
        job = _Job(*_named(a, b, asked), asked["projection"], str(_cache(source, a)))
        try:
            done = comparisons.ask(key, job)
        except NotFound as error:
            raise NotFound(source.redact(str(error))) from None
        return Answer((*key, "working", done), lambda: {"state": "working", "done": round(done, 3)}, status=202)
    ready = {
        "state": "ready",
        "n_shared": joint.n_shared,
        "how": joint.how,
        "axes": joint.axes.tolist(),
        "notes": list(joint.notes),
    }
    return Answer((*key, "ready"), lambda: ready)


def compare_frame(source: RunSource, comparisons: Comparisons, asked: Asked) -> Answer:
    """Give one side of a joint map, or of the stored maps laid onto one another."""
    a, b = _sides(source, asked)
    key = (*_key(a, b, asked), asked["side"], asked["how"])
    table = a if asked["side"] == "a" else b
    _, n_components = split_key(asked["projection"])
    if asked["how"] == "procrustes":
        for side, step in ((a, asked["step_a"]), (b, asked["step_b"])):
            if asked["projection"] not in side.header(step)["projections"]:
                side.projection(step, asked["projection"])
        return Answer(key, lambda: pack(_laid(a, b, asked)), n_components)
    joint = _find(source, a, b, asked)
    if joint is None:
        raise NotReady("The joint map is not made yet: ask `compare` for its state, or pass how=procrustes until then.")
    coordinates, step = (joint.a, asked["step_a"]) if asked["side"] == "a" else (joint.b, asked["step_b"])
    return Answer(key, lambda: pack(table.in_order(step, coordinates)), n_components)


def _sides(source: RunSource, asked: Asked) -> tuple[ServedTable, ServedTable]:
    tables = []
    for side in ("a", "b"):
        table = source.table(asked[f"run_{side}"], asked[f"table_{side}"])
        table.check_step(asked[f"step_{side}"], analyzed=True)
        tables.append(table)
    one, two = tables
    if one.reader.folder == two.reader.folder and asked["step_a"] == asked["step_b"]:
        raise BadRequest("Both sides are the same snapshot: choose another run, table or step to compare with.")
    return one, two


def _key(a: ServedTable, b: ServedTable, asked: Asked) -> tuple[Any, ...]:
    projection = asked["projection"]
    return ("joint", *frame_key(a, asked["step_a"], projection), *frame_key(b, asked["step_b"], projection))


def _named(a: ServedTable, b: ServedTable, asked: Asked) -> tuple[Side, Side]:
    return (
        Side(str(a.run.path), a.name, asked["step_a"]),
        Side(str(b.run.path), b.name, asked["step_b"]),
    )


def _cache(source: RunSource, a: ServedTable) -> os.PathLike[str]:
    return cache_folder(source.run(a.run_name).log_dir)


def _find(source: RunSource, a: ServedTable, b: ServedTable, asked: Asked) -> Joint | None:
    one, two = _named(a, b, asked)
    return read_cached(one, two, projection=asked["projection"], cache=_cache(source, a))


def _laid(a: ServedTable, b: ServedTable, asked: Asked) -> Any:
    projection = asked["projection"]
    map_a = a.projection(asked["step_a"], projection).coordinates
    if asked["side"] == "a":
        return map_a
    map_b = b.projection(asked["step_b"], projection).coordinates
    laid, n_shared = align_maps(a.rows.labels, map_a, b.rows.labels, map_b=map_b)
    if not n_shared:
        raise NotFound("The two snapshots share no label, so neither map can be laid on the other.")
    return laid
