"""Endpoints of joint maps of two snapshots, which child processes compute one at a time."""

from __future__ import annotations

import json
import subprocess
import threading
from collections import OrderedDict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cachetools import TTLCache
from flask import current_app
from numpy.typing import NDArray

from visualdl_embedding.analysis import split_key
from visualdl_embedding.core.process import describe_exit, start_child
from visualdl_embedding.runs import Joint, SnapshotReference, align_maps, cache_folder, read_cached
from visualdl_embedding.server._http import Answer, Asked, BadRequest, NotFound, NotReady
from visualdl_embedding.server._runs import float32_bytes
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
    """Two snapshots to compare, by side: ``"a"`` and ``"b"``."""

    tables: Mapping[str, ServedTable]
    places: Mapping[str, SnapshotReference]
    projection: str
    cache: Path

    @property
    def stamp(self) -> Hashable:
        """State of the files that a map is made from."""
        return tuple(self.tables[side].frame_stamp(self.places[side].step, self.projection) for side in "ab")

    def joint(self) -> Joint | None:
        """Read the joint map; None if it is not computed yet."""
        return read_cached(self.places["a"], self.places["b"], projection=self.projection, cache=self.cache)

    def stored(self, side: str) -> NDArray[Any]:
        """Read the stored map of a side; that of side b is aligned with that of side a."""
        own = self.tables[side].projection(self.places[side].step, self.projection).coordinates
        if side == "a":
            return own
        labels_a, labels_b = (self.tables[side].rows.labels for side in "ab")
        aligned, n_shared = align_maps(labels_a, self.stored("a"), labels_b, map_b=own)
        if not n_shared:
            raise NotFound("The two snapshots share no label, so their maps cannot be aligned; compare other tables.")
        return aligned


class Comparisons:
    """Computes joint maps, one at a time, in child processes that end with this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: OrderedDict[Hashable, _Pair] = OrderedDict()
        self._failed: TTLCache[Hashable, str] = TTLCache(_MAX_FAILED, _RETRY_SECONDS)
        self._current: Hashable = None
        self._done = 0.0
        self._process: subprocess.Popen[bytes] | None = None
        self._thread: threading.Thread | None = None
        self._closed = False

    def request(self, pair: _Pair) -> float:
        """Request a map and return its progress from 0 to 1.

        Raise `NotFound` if the computation failed less than 30 seconds ago; the message contains the reason.
        """
        key = pair.stamp
        with self._lock:
            if (error := self._failed.get(key)) is not None:
                raise NotFound(error)
            if self._current == key:
                return self._done
            if self._closed:
                return 0.0
            self._waiting[key] = pair
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
                self._current, pair = self._waiting.popitem()
                self._done = 0.0
            try:
                failure = self._compute(pair)
            except OSError as error:
                failure = f"The process of the comparison could not be started: {error.strerror}."
            with self._lock:
                if failure is not None and not self._closed:
                    self._failed[self._current] = failure
                self._current = None

    def _compute(self, pair: _Pair) -> str | None:
        """Compute a map in a child process. Return the reason if it fails."""
        failure = None
        order: dict[str, Any] = {side: vars(place) for side, place in pair.places.items()}
        order |= {"projection": pair.projection, "cache": str(pair.cache)}
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
                    message = json.loads(line)
                    if isinstance(message, dict):
                        failure = message["error"]
                    else:
                        self._done = float(message)
            except BrokenPipeError:
                pass
            finally:
                with self._lock:
                    self._process = None
        if process.returncode and failure is None:
            end = describe_exit(process.returncode)
            failure = f"The process of the comparison ended by {end}, without a message."
            if "SIGKILL" in end:
                failure += " Check the log of the system for a lack of memory."
        return failure


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
    pair, side = _pair(source, asked), asked["side"]
    table, step = pair.tables[side], pair.places[side].step
    _, n_components = split_key(pair.projection)
    if asked["how"] == "procrustes":
        for name in "ab":
            pair.tables[name].check_projection(pair.places[name].step, pair.projection)
        return Answer(pair.stamp, lambda: float32_bytes(pair.stored(side)), n_components)
    joint = pair.joint()
    if joint is None:
        raise NotReady("The joint map is not computed yet; request `compare` for its state, or pass how=procrustes.")
    coordinates = joint.a if side == "a" else joint.b
    return Answer(pair.stamp, lambda: float32_bytes(table.in_order(step, coordinates)), n_components)


def _pair(source: RunSource, asked: Asked) -> _Pair:
    tables, places = {}, {}
    for side in "ab":
        run, table = source.run(asked[f"run_{side}"]), source.table(asked[f"run_{side}"], asked[f"table_{side}"])
        step = asked[f"step_{side}"]
        table.check_step(step, analyzed=True)
        tables[side], places[side] = table, SnapshotReference(str(run.path), table.name, step)
    if places["a"] == places["b"]:
        raise BadRequest("Both sides are the same snapshot; choose another run, table or step for one of them.")
    return _Pair(tables, places, asked["projection"], cache_folder(source.run(asked["run_a"]).log_dir))
