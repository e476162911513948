"""Answers about neighbors in the original space: of a row, between two moments or runs, over all steps."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from visualdl_embedding.core.neighbors import Distance
from visualdl_embedding.core.pairing import positions_of
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.server._endpoint import Answer, BadRequest
from visualdl_embedding.server._nearest import Near, cosines_with, nearest, reading
from visualdl_embedding.server._served import ServedTable
from visualdl_embedding.server._source import RunSource
from visualdl_embedding.server._tables import with_missing

__all__ = ["neighbor_changes", "neighbor_timeline", "neighbors", "similarities"]

Asked = Mapping[str, Any]
_MAX_TIMELINE = 40


class _Moment:
    """A snapshot, asked by label."""

    def __init__(self, table: ServedTable, step: int) -> None:
        self.table, self.step = table, step
        self.snapshot: Snapshot = table.snapshot(step)
        self.newest = table.positions()
        order = table.order(step)
        self.where = self.newest if order is None else positions_of(self.snapshot.labels)

    def near(self, label: str, k: int, distance: Distance) -> list[Near]:
        """Its nearest; none where the label is not there."""
        row = self.where.get(label)
        return [] if row is None else nearest(self.snapshot.vectors, row, k, distance=distance)

    def cosine(self, label: str, other: str) -> float | None:
        """Cosine of two labels; None where one is not there."""
        one, two = self.where.get(label), self.where.get(other)
        if one is None or two is None:
            return None
        return float(cosines_with(self.snapshot.vectors, one, np.array([two]))[0])

    def entry(self, near: Near) -> dict[str, Any]:
        """Describe a neighbor, its row among the newest."""
        label = self.snapshot.labels[near.row]
        return {
            "row": self.newest.get(label),
            "label": label,
            "id": int(self.snapshot.ids[near.row]),
            "cosine": near.cosine,
            "distance": near.distance,
        }


def neighbors(source: RunSource, asked: Asked) -> Answer:
    """Give the nearest rows of a row among the watched ones."""
    table = source.table(asked["run"], asked["table"])
    step, row = asked["step"], asked["row"]
    table.check_step(step)
    label = table.label(row)

    def make() -> dict[str, Any]:
        with reading:
            moment = _Moment(table, step)
            found = [moment.entry(near) for near in moment.near(label, asked["k"], asked["distance"])]
        missing = [] if label in moment.where else [f"{label!r} was not watched at step {step}."]
        return with_missing({"row": row, "label": label, "neighbors": found}, missing)

    key = ("neighbors", *table.stamp(step), table.reader.description.rows_version, row, asked["k"], asked["distance"])
    return Answer(key, make)


def neighbor_changes(source: RunSource, asked: Asked) -> Answer:
    """Say which neighbors of a row stayed, came and went, compared with another step or run."""
    table = source.table(asked["run"], asked["table"])
    other = source.table(asked["other_run"] or asked["run"], asked["other_table"] or asked["table"])
    step, row, k, distance = asked["step"], asked["row"], asked["k"], asked["distance"]
    other_step = step if asked["other_step"] is None else asked["other_step"]
    table.check_step(step)
    other.check_step(other_step)
    label = table.label(row)

    def make() -> dict[str, Any]:
        with reading:
            now = _Moment(table, step)
            here = _ranked(now, label, k, distance)
            then = _Moment(other, other_step)
            there = _ranked(then, label, k, distance)

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
        missing = [
            f"{label!r} is not watched at step {moment.step} of run {moment.table.run_name!r}."
            for moment in (now, then)
            if label not in moment.where
        ]
        return with_missing(answer, missing)

    versions = (table.reader.description.rows_version, other.reader.description.rows_version)
    key = ("changes", *table.stamp(step), *other.stamp(other_step), versions, step, other_step, row, k, distance)
    return Answer(key, make)


def _moments(table: ServedTable, steps: list[int], missing: list[str]) -> Iterator[_Moment | None]:
    """Read step after step; None for one that cannot be read, which `missing` is told of."""
    for step in steps:
        with reading:
            try:
                moment = _Moment(table, step)
            except (OSError, ValueError, LookupError) as error:
                missing.append(str(error))
                moment = None
            yield moment


def _ranked(moment: _Moment, label: str, k: int, distance: Distance) -> dict[str, int]:
    """Rank of each neighbor from 1, by label."""
    return {moment.snapshot.labels[near.row]: i for i, near in enumerate(moment.near(label, k, distance), start=1)}


def neighbor_timeline(source: RunSource, asked: Asked) -> Answer:
    """Follow all that were ever neighbors of a row over the steps."""
    table = source.table(asked["run"], asked["table"])
    row, k = asked["row"], asked["k"]
    label = table.label(row)
    steps = table.steps
    distance: Distance = table.reader.description.config.distance

    def make() -> dict[str, Any]:
        ranked: list[dict[str, int]] = []
        met: dict[str, list[int]] = {}
        missing: list[str] = []
        for moment in _moments(table, steps, missing):
            ranked.append({} if moment is None else _ranked(moment, label, k, distance))
            for name, rank in ranked[-1].items():
                met.setdefault(name, []).append(rank)
        # The most persistent first; among equals the nearest.
        union = sorted(met, key=lambda name: (-len(met[name]), sum(met[name]) / len(met[name])))[:_MAX_TIMELINE]
        cosines: dict[str, list[float | None]] = {name: [] for name in union}
        for moment in _moments(table, steps, []):
            for name in union:
                cosines[name].append(None if moment is None else moment.cosine(label, name))
        newest = table.positions()
        followed = [
            {
                "label": name,
                "row": newest.get(name),
                "ranks": [ranks.get(name) for ranks in ranked],
                "cosines": cosines[name],
            }
            for name in union
        ]
        return with_missing({"steps": steps, "neighbors": followed}, [source.redact(text) for text in missing])

    return Answer(("timeline", str(table.reader.folder), table.listing.stamp, row, k), make)


def similarities(source: RunSource, asked: Asked) -> Answer:
    """Follow the cosines between rows over the steps."""
    table = source.table(asked["run"], asked["table"])
    chosen = list(dict.fromkeys(asked["rows"]))
    if len(chosen) < 2:
        raise BadRequest("rows names at least two different rows, with a comma between them.")
    labels = {row: table.label(row) for row in chosen}
    steps = table.steps

    def make() -> dict[str, Any]:
        pairs: list[dict[str, Any]] = [{"a": a, "b": b, "cosines": []} for a, b in itertools.combinations(chosen, 2)]
        missing: list[str] = []
        for moment in _moments(table, steps, missing):
            for pair in pairs:
                between = (labels[pair["a"]], labels[pair["b"]])
                pair["cosines"].append(None if moment is None else moment.cosine(*between))
        return with_missing({"steps": steps, "pairs": pairs}, [source.redact(text) for text in missing])

    return Answer(("similarities", str(table.reader.folder), table.listing.stamp, tuple(chosen)), make)
