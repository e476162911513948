"""Endpoints of neighbors in the original space: of a row, between two steps or runs, at all steps."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np

from visualdl_embedding.core.distance import Distance, why_unusable
from visualdl_embedding.core.pairing import positions_of
from visualdl_embedding.core.query import cosines, nearest_rows
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.page import rows_without_neighbors
from visualdl_embedding.server._http import Answer, Asked
from visualdl_embedding.server._runs import with_missing
from visualdl_embedding.server._served import ServedTable
from visualdl_embedding.server._source import RunSource

__all__ = ["neighbor_changes", "neighbor_timeline", "neighbors", "similarities"]

_MAX_TIMELINE = 40
_reading = threading.Semaphore(3)
"""Number of requests that hold vectors at a time: 50,000 x 128 take 26 MB, so 50 clients would take over 1 GB."""


class _Moment:
    """Snapshot with lookup by label."""

    def __init__(self, table: ServedTable, step: int) -> None:
        self.table = table
        self.step = step
        self.snapshot: Snapshot = table.reader.read_snapshot(step)
        self.newest = table.positions()
        order = table.order(step)
        self.where = self.newest if order is None else positions_of(self.snapshot.labels)

    def why_none(self, label: str, distance: Distance, *, of_run: bool = False) -> str:
        """Return a sentence if a row is absent or has no neighbors; else ``""``."""
        row, at = self.where.get(label), f"step {self.step}" + (f" of run {self.table.run_name!r}" if of_run else "")
        if row is None:
            return f"{label!r} was not watched at {at}."
        why = why_unusable(self.snapshot.vectors[row], distance)
        return why and f"The vector of {label!r} at {at} {why}."

    def reason(self, label: str, distance: Distance) -> str | None:
        """Return the reason for which a row has no neighbors, as the page names it; None if it has a distance."""
        row = self.where.get(label)
        if row is None:
            return "unwatched"
        found = rows_without_neighbors(self.snapshot.vectors[[row]], distance)
        return next((reason for reason, rows in found.items() if len(rows)), None)

    def near(self, label: str, k: int, distance: Distance) -> list[tuple[int, float, float]]:
        """Row, cosine and distance of the nearest rows, nearest first; none if the row is absent or not usable."""
        row = self.where.get(label)
        vectors = self.snapshot.vectors
        if row is None or self.why_none(label, distance):
            return []
        skipped = np.arange(len(vectors)) == row
        return nearest_rows([(0, vectors)], vectors[row], k=k, distance=distance, skipped=skipped)

    def ranks(self, label: str, k: int, distance: Distance) -> dict[str, int]:
        """Rank from 1 of each neighbor, by label."""
        found = self.near(label, k, distance)
        return {self.snapshot.labels[row]: rank for rank, (row, _, _) in enumerate(found, start=1)}

    def cosine(self, label: str, other: str) -> float | None:
        """Cosine of two labels; None if one is absent or has no direction."""
        one, two = self.where.get(label), self.where.get(other)
        if one is None or two is None:
            return None
        vectors = self.snapshot.vectors
        cosine = float(cosines(vectors[[two]], vectors[one], undirected=np.nan)[0])
        return cosine if np.isfinite(cosine) else None


def neighbors(source: RunSource, asked: Asked) -> Answer:
    """Exact neighbors in the original space."""
    table, step = source.table_at(asked)
    row, k, distance = asked["row"], asked["k"], asked["distance"]
    label = table.label(row)

    def make() -> dict[str, Any]:
        with _reading:
            moment = _Moment(table, step)
            labels, ids = moment.snapshot.labels, moment.snapshot.ids
            found = [
                {"row": moment.newest.get(labels[i]), "label": labels[i], "id": int(ids[i])}
                | {"cosine": cosine, "distance": away}
                for i, cosine, away in moment.near(label, k, distance)
            ]
            why = moment.why_none(label, distance)
            answer = {"row": row, "label": label, "neighbors": found, "why": moment.reason(label, distance)}
        return with_missing(answer, [why] if why else [])

    return Answer(table.stamp(step), make)


def neighbor_changes(source: RunSource, asked: Asked) -> Answer:
    """Neighbors kept, gained and lost between two steps or runs."""
    table, step = source.table_at(asked)
    row, k, distance = asked["row"], asked["k"], asked["distance"]
    other = source.table(asked["other_run"] or asked["run"], asked["other_table"] or asked["table"])
    other_step = step if asked["other_step"] is None else asked["other_step"]
    other.check_step(other_step)
    label = table.label(row)

    def make() -> dict[str, Any]:
        with _reading:
            now = _Moment(table, step)
            here = now.ranks(label, k, distance)
            then = _Moment(other, other_step)
            there = then.ranks(label, k, distance)

            def entry(name: str) -> dict[str, Any]:
                return {
                    "label": name,
                    "row": now.newest.get(name),
                    "other_row": then.newest.get(name),
                    "rank": here.get(name),
                    "other_rank": there.get(name),
                    "cosine": now.cosine(label, name),
                    "other_cosine": then.cosine(label, name),
                }

            answer = {
                "kept": [entry(name) for name in here if name in there],
                "gained": [entry(name) for name in here if name not in there],
                "lost": [entry(name) for name in there if name not in here],
            }
            reasons = [moment.why_none(label, distance, of_run=True) for moment in (now, then)]
        return with_missing(answer, list(filter(None, reasons)))

    return Answer((table.stamp(step), other.stamp(other_step)), make)


def _moments(source: RunSource, table: ServedTable, missing: list[str]) -> Iterator[_Moment | None]:
    """Read all steps; None for an unreadable one, whose error is appended to `missing`."""
    for step in table.steps:
        with _reading:
            try:
                moment = _Moment(table, step)
            except (OSError, ValueError, LookupError) as error:
                missing.append(source.redact(str(error)))
                moment = None
            yield moment


def neighbor_timeline(source: RunSource, asked: Asked) -> Answer:
    """Neighbors of a row at all steps."""
    table = source.table(asked["run"], asked["table"])
    label = table.label(asked["row"])
    distance = table.reader.description.config.distance

    def make() -> dict[str, Any]:
        ranked: list[dict[str, int]] = []
        met: dict[str, list[int]] = {}
        missing: list[str] = []
        for moment in _moments(source, table, missing):
            ranked.append({} if moment is None else moment.ranks(label, asked["k"], distance))
            for name, rank in ranked[-1].items():
                met.setdefault(name, []).append(rank)
        # The most persistent first; the nearest among equals.
        union = sorted(met, key=lambda name: (-len(met[name]), sum(met[name]) / len(met[name])))[:_MAX_TIMELINE]
        similar: dict[str, list[float | None]] = {name: [] for name in union}
        for moment in _moments(source, table, []):
            for name in union:
                similar[name].append(None if moment is None else moment.cosine(label, name))
        newest = table.positions()
        followed = [
            {"label": name, "row": newest.get(name), "ranks": [ranks.get(name) for ranks in ranked]}
            | {"cosines": similar[name]}
            for name in union
        ]
        return with_missing({"steps": table.steps, "neighbors": followed}, missing)

    return Answer((*table.stamp(), table.listing.stamp), make)


def similarities(source: RunSource, asked: Asked) -> Answer:
    """Cosines between rows at all steps."""
    table = source.table(asked["run"], asked["table"])
    labels = {row: table.label(row) for row in asked["rows"]}

    def make() -> dict[str, Any]:
        pairs: list[dict[str, Any]] = [{"a": a, "b": b, "cosines": []} for a, b in itertools.combinations(labels, 2)]
        missing: list[str] = []
        for moment in _moments(source, table, missing):
            for pair in pairs:
                cosine = None if moment is None else moment.cosine(labels[pair["a"]], labels[pair["b"]])
                pair["cosines"].append(cosine)
        return with_missing({"steps": table.steps, "pairs": pairs}, missing)

    return Answer((*table.stamp(), table.listing.stamp), make)
