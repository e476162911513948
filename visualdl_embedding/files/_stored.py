"""Table in a file: its description in memory, its rows read on demand; choice among tables, and counters of a table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from visualdl_embedding.core.suggest import did_you_mean, listed
from visualdl_embedding.core.table import Readable, Table
from visualdl_embedding.files._matrix import RowReader
from visualdl_embedding.files._server_tables import ServerRows
from visualdl_embedding.files._word_vectors import WordVectors

__all__ = ["StoredTable", "choose_table", "first_tables", "table_counters"]


@dataclass(frozen=True)
class StoredTable:
    """Table of a saved model, not loaded.

    Attributes
    ----------
    table
        Name, shape, type, padding row.
    path
        File that holds the values.
    key
        Name in the file, such as ``"encoder.word_embeddings.weight"``.
    evidence
        Reason why it counts as a table: ``"the program looks up rows in it"``, ``"its name"``, …
    priority
        0: holds words, by its name or size; 1: other table; 2: positions, token types and similar.
    vocabulary
        Vocabulary file next to the model, for tables it may belong to.
    """

    table: Table
    path: Path
    key: str
    evidence: str
    priority: int
    reader: RowReader = field(repr=False, compare=False)
    vocabulary: Path | None = None

    def __str__(self) -> str:
        return str(self.table)

    def read_rows(self, ids: ArrayLike) -> NDArray[np.float32]:
        """Read selected rows.

        Parameters
        ----------
        ids
            ``(m,)`` integers from 0 to V - 1, in any order; repetitions are allowed.

        Returns
        -------
        ``(m, d)`` float32, in the order of `ids`. Narrower types are widened; float64 values beyond float32 become inf.

        Raises
        ------
        ValueError
            If an id is not a row of the table.
        UnreadableModelError
            If the file is damaged.
        """
        wanted = np.asarray(ids)
        if wanted.ndim != 1 or (wanted.size and not np.issubdtype(wanted.dtype, np.integer)):
            raise ValueError(f"ids must be a list of integers, not an array of {wanted.dtype} of shape {wanted.shape}.")
        if not wanted.size:
            return np.empty((0, self.table.dim), np.float32)
        for given in (int(wanted.min()), int(wanted.max())):
            if not 0 <= given < self.table.num_rows:
                raise ValueError(
                    f"Table {self.table.name!r} has rows 0 to {self.table.num_rows - 1:,}; {given} is out of range."
                )
        distinct, places = np.unique(wanted.astype(np.int64), return_inverse=True)
        return self.reader.gather(distinct)[places]

    def blocks(self) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Read the whole table in blocks of about 8 MiB: the id of the first row, and ``(b, d)`` float32."""
        return self.reader.blocks()

    @property
    def has_labels(self) -> bool:
        """Whether the file holds the labels of the rows: words, or the keys of a parameter server's table."""
        return isinstance(self.reader, WordVectors | ServerRows)

    @property
    def is_keyed(self) -> bool:
        """Whether the labels are keys, as of a parameter server's table; a vocabulary then maps keys to names."""
        return isinstance(self.reader, ServerRows)

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes for the user about rows that were left out."""
        return self.reader.notes if isinstance(self.reader, ServerRows) else ()

    def read_columns(self) -> dict[str, tuple[str, ...]]:
        """Read the columns stored with the rows, such as ``"frequency"``, each with V values; none of most formats."""
        return self.reader.columns() if isinstance(self.reader, ServerRows) else {}

    def read_labels(self, *, encoding: str = "utf-8", errors: str = "strict") -> list[str] | None:
        """Read the V labels stored with the vectors, or return None; `encoding` and `errors` as in `bytes.decode`.

        An empty label is ``""``; one that is not valid in this encoding raises an UnreadableModelError.
        """
        if not isinstance(self.reader, WordVectors | ServerRows):
            return None
        return self.reader.words(encoding=encoding, errors=errors)


Choice = TypeVar("Choice", bound=Readable)


def first_tables(tables: Sequence[Choice]) -> list[Choice]:
    """Choose the tables of the lowest `StoredTable.priority`; tables in memory all have the same."""
    priorities = [getattr(stored, "priority", 0) for stored in tables]
    return [stored for stored, own in zip(tables, priorities, strict=True) if own == min(priorities)]


def choose_table(tables: Sequence[Choice], name: str | None = None) -> Choice:
    """Choose one table of a model.

    Parameters
    ----------
    tables
        Tables from `open_tables` or `visualdl_embedding.models.open_model`.
    name
        Name of the table, its key in the file, or a pattern that matches exactly one of them (``"*word*"``). None: the
        only table, or the only table with the lowest `StoredTable.priority`.

    Raises
    ------
    ValueError
        If no table or several tables match; the message lists them.
    """
    if not tables:
        raise ValueError("The model has no tables. Expected at least one table to choose from.")
    if name is None:
        first = first_tables(tables)
        if len(first) == 1:
            return first[0]
        raise ValueError(
            f"The model has {len(tables)} tables, and {len(first)} of them may be the right one. Choose one by its "
            f"name:\n{listed([stored.table for stored in tables])}"
        )
    names = [(stored.table.name, getattr(stored, "key", stored.table.name)) for stored in tables]
    for fits in (str.__eq__, fnmatchcase):
        matches = [s for s, own in zip(tables, names, strict=True) if any(fits(one, name) for one in own)]
        if len(matches) == 1:
            return matches[0]
        if matches:
            shown = listed([stored.table for stored in matches])
            raise ValueError(f"{name!r} matches {len(matches)} tables. Choose one by its name:\n{shown}")
    hint = did_you_mean(name, [stored.table.name for stored in tables], otherwise="nothing is like it.")
    raise ValueError(f"The model has no table {name!r}; {hint} It has:\n{listed([s.table for s in tables])}")


def table_counters(stored: Readable, *, on_progress: Callable[[int, int], None] | None = None) -> dict[str, float]:
    """Compute counts and norm statistics of all rows of a table.

    Memory: 24 bytes per row (a norm, a hash, and a copy of the hashes for sorting), plus a few blocks of 8 MiB.

    Parameters
    ----------
    stored
        Table to read.
    on_progress
        Called after every block with the number of rows done and the total.

    Returns
    -------
    ``num_rows``; ``nonfinite_rows``, rows with a NaN or inf; ``zero_rows``; ``duplicate_rows``, finite nonzero rows
    equal to an earlier row (by 64-bit hash: among 10,000,000 distinct rows, the probability of one collision is
    3e-6); ``norm_mean``, ``norm_min``, ``norm_max``, ``norm_p5``, ``norm_p95`` of the finite rows, NaN if there are
    none.

    Raises
    ------
    UnreadableModelError
        If the file is damaged.
    """
    num_rows = stored.table.num_rows
    norms = np.full(num_rows, np.nan, np.float32)
    hashes = np.zeros(num_rows, np.int64)
    hashed = np.zeros(num_rows, np.bool_)
    zero_rows = 0
    for start, block in stored.blocks():
        stop = start + len(block)
        finite = np.isfinite(block).all(axis=1)
        zero = ~block.any(axis=1)
        zero_rows += int(zero.sum())
        # Use float64: squares of float32 values above 1.8e19 overflow float32.
        with np.errstate(invalid="ignore"):
            lengths = np.sqrt(np.einsum("ij,ij->i", block, block, dtype=np.float64))
        norms[start:stop] = np.where(finite, np.minimum(lengths, np.finfo(np.float32).max), np.nan)
        hashes[start:stop] = _hashes(block)
        hashed[start:stop] = finite & ~zero
        if on_progress is not None:
            on_progress(stop, num_rows)
    duplicate_rows = _count_repeated(hashes[hashed])
    norms = norms[~np.isnan(norms)]
    counters = {
        "num_rows": num_rows,
        "nonfinite_rows": num_rows - len(norms),
        "zero_rows": zero_rows,
        "duplicate_rows": duplicate_rows,
        **dict.fromkeys(("norm_mean", "norm_min", "norm_max", "norm_p5", "norm_p95"), np.nan),
    }
    if len(norms):
        low, high = np.percentile(norms, [5, 95], overwrite_input=True)
        counters.update(norm_mean=norms.mean(dtype=np.float64), norm_min=norms.min(), norm_max=norms.max())
        counters.update(norm_p5=low, norm_p95=high)
    return {name: float(value) for name, value in counters.items()}


def _hashes(block: NDArray[np.float32]) -> NDArray[np.int64]:
    # Adding 0 turns -0 into 0, so that equal rows have equal bytes. Python's hash of bytes is SipHash: 0.2 µs for 64
    # floats.
    data = (block + np.float32(0)).tobytes()
    width = 4 * block.shape[1]
    return np.fromiter((hash(data[at : at + width]) for at in range(0, len(data), width)), np.int64, len(block))


def _count_repeated(hashes: NDArray[np.int64]) -> int:
    hashes.sort()
    return int(np.count_nonzero(hashes[1:] == hashes[:-1]))
