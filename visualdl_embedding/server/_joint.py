"""Endpoints of joint maps of two snapshots, which child processes compute one at a time."""

from __future__ import annotations

import json
import subprocess
import threading
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cachetools import TTLCache
from flask import current_app
from numpy.typing import NDArray

from visualdl_embedding.analysis import split_key
from visualdl_embedding.core.process import start_child
from visualdl_embedding.runs import Joint, SnapshotReference, align_maps, cache_folder, read_cached
from visualdl_embedding.server._answers import float32_bytes
from visualdl_embedding.server._endpoint import Answer, Asked, BadRequest, NotFound, NotReady
from visualdl_embedding.server._served import ServedTable
from visualdl_embedding.server._source import RunSource

__all__ = ["EXTENSION", "Comparisons", "compare", "compare_frame"]

EXTENSION = "visualdl_embedding"
"""Key of the `Comparisons` in ``app.extensions``."""
_MAX_WAITING = 4
"""A dragged slider requests every step on its way: the newest requests are kept, older ones are dropped."""
_MAX_FAILED = 256
_RETRY_SECONDS = 30.0
"""Time after which a failed map is computed again: there may be more memory."""


@dataclass(frozen=True)
class _Pair:
    """Two snapshots to compare."""

    a: ServedTable
    b: ServedTable
    at_a: SnapshotReference
    at_b: SnapshotReference
    projection: str
    cache: Path

    @property
    def stamp(self) -> Hashable:
        """State of the files that a map is made from."""
        return (
            self.a.frame_stamp(self.at_a.step, self.projection),
            self.b.frame_stamp(self.at_b.step, self.projection),
        )

    def joint(self) -> Joint | None:
        """Read the joint map; None if it is not computed yet."""
        return read_cached(self.at_a, self.at_b, projection=self.projection, cache=self.cache)

    def aligned(self) -> NDArray[Any]:
        """Align the stored map of side b with that of side a."""
        map_a = self.a.projection(self.at_a.step, self.projection).coordinates
        map_b = self.b.projection(self.at_b.step, self.projection).coordinates
        aligned, n_shared = align_maps(self.a.rows.labels, map_a, self.b.rows.labels, map_b=map_b)
        if not n_shared:
            raise NotFound("The two snapshots share no label, so their maps cannot be aligned; compare other tables.")
        return aligned


@dataclass
class _Job:
    key: Hashable
    order: dict[str, Any]
    done: float = 0.0
    error: str | None = None


class Comparisons:
    """Computes joint maps, one at a time, in child processes that end with this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: OrderedDict[Hashable, _Job] = OrderedDict()
        self._failed: TTLCache[Hashable, str] = TTLCache(_MAX_FAILED, _RETRY_SECONDS)
        self._current: _Job | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._thread: threading.Thread | None = None
        self._closed = False

    def request(self, pair: _Pair) -> float:
        """Request a map.

        Returns
        -------
        Progress from 0 to 1.

        Raises
        ------
        NotFound
            If the computation failed less than 30 seconds ago; the message contains the reason.
        """
        key = pair.stamp
        with self._lock:
            if (error := self._failed.get(key)) is not None:
                raise NotFound(error)
            if self._current is not None and self._current.key == key:
                return self._current.done
            if self._closed:
                return 0.0
            if key not in self._waiting:
                order = {"a": vars(pair.at_a), "b": vars(pair.at_b), "projection": pair.projection}
                self._waiting[key] = _Job(key, {**order, "cache": str(pair.cache)})
            self._waiting.move_to_end(key)
            if len(self._waiting) > _MAX_WAITING:
                self._waiting.popitem(last=False)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="visualdl-embedding-compare", daemon=True)
                self._thread.start()
            return 0.0

    def close(self) -> None:
        """Stop: drop all requests and kill the child process."""
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
                _, job = self._waiting.popitem()
                self._current = job
            try:
                self._compute(job)
            except OSError as error:
                job.error = f"The process of the comparison could not be started: {error.strerror}."
            with self._lock:
                self._current = None
                if job.error is not None and not self._closed:
                    self._failed[job.key] = job.error

    def _compute(self, job: _Job) -> None:
        with start_child("visualdl_embedding.runs.joint_worker", stderr=subprocess.DEVNULL) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            with self._lock:
                self._process = process
                if self._closed:
                    process.kill()
            try:
                process.stdin.write(json.dumps(job.order).encode() + b"\n")
                process.stdin.flush()
                for line in process.stdout:
                    message = json.loads(line)
                    if isinstance(message, dict):
                        job.error = message["error"]
                    else:
                        job.done = float(message)
            except BrokenPipeError:
                pass
            finally:
                with self._lock:
                    self._process = None
        if process.returncode and job.error is None:
            job.error = f"The comparison ended with exit code {process.returncode}, perhaps for lack of memory."


def compare(source: RunSource, asked: Asked) -> Answer:
    """State of the joint map of two snapshots."""
    pair = _pair(source, asked)
    joint = pair.joint()
    if joint is None:
        comparisons: Comparisons = current_app.extensions[EXTENSION]
        done = comparisons.request(pair)
        return Answer((pair.stamp, done), lambda: {"state": "working", "done": round(done, 3)}, status=202)
    ready = {
        "state": "ready",
        "n_shared": joint.n_shared,
        "how": joint.how,
        "axes": joint.axes.tolist(),
        "notes": list(joint.notes),
    }
    return Answer((pair.stamp, "ready"), lambda: ready)


def compare_frame(source: RunSource, asked: Asked) -> Answer:
    """Coordinates of one side of a joint map: float32."""
    pair = _pair(source, asked)
    table, step = (pair.a, pair.at_a.step) if asked["side"] == "a" else (pair.b, pair.at_b.step)
    _, n_components = split_key(pair.projection)
    if asked["how"] == "procrustes":
        pair.a.check_projection(pair.at_a.step, pair.projection)
        pair.b.check_projection(pair.at_b.step, pair.projection)

        def stored() -> bytes:
            return float32_bytes(
                pair.aligned() if asked["side"] == "b" else table.projection(step, pair.projection).coordinates
            )

        return Answer(pair.stamp, stored, n_components)
    joint = pair.joint()
    if joint is None:
        raise NotReady("The joint map is not computed yet; request `compare` for its state, or pass how=procrustes.")
    coordinates = joint.a if asked["side"] == "a" else joint.b
    return Answer(pair.stamp, lambda: float32_bytes(table.in_order(step, coordinates)), n_components)


def _pair(source: RunSource, asked: Asked) -> _Pair:
    def find(side: str) -> tuple[ServedTable, SnapshotReference]:
        run, table = source.run(asked[f"run_{side}"]), source.table(asked[f"run_{side}"], asked[f"table_{side}"])
        step = asked[f"step_{side}"]
        table.check_step(step, analyzed=True)
        return table, SnapshotReference(str(run.path), table.name, step)

    (a, at_a), (b, at_b) = find("a"), find("b")
    if at_a == at_b:
        raise BadRequest("Both sides are the same snapshot; choose another run, table or step for one of them.")
    return _Pair(a, b, at_a, at_b, asked["projection"], cache_folder(source.run(a.run_name).log_dir))
