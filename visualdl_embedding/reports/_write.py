"""Files of a report: the page, the pictures, coordinates by row, neighbors by pair, and all other data as JSON."""

from __future__ import annotations

import csv
import errno
import glob
import io
import json
import logging
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from visualdl_embedding.core.atomic import move_synced
from visualdl_embedding.core.jsonable import dumps
from visualdl_embedding.core.text import spreadsheet_cell
from visualdl_embedding.page import missing_page

if TYPE_CHECKING:
    from visualdl_embedding.reports._report import Report

__all__ = ["check_folder", "write_report"]

_log = logging.getLogger(__name__)

FORMAT = "visualdl-embedding report"
"""Format name in ``report.json``, which identifies the folder of a report."""
FORMAT_VERSION = 1
PAGE = "report.html"
RECORD = "report.json"
PARTIAL = ".partial"
ENDINGS = (".html", ".png", ".csv", ".tsv", ".json")


def write_report(report: Report, folder: Path, *, overwrite: bool) -> list[Path]:
    """Write a report into a folder; see `Report.write`."""
    # Resolve links, so that a message names the real folder.
    folder = Path(os.path.realpath(folder))
    stale = _files_to_replace(folder, overwrite)
    is_new = not folder.exists()
    contents = _contents(report)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", suffix=PARTIAL, dir=folder) as partial:
            for name, content in contents.items():
                Path(partial, name).write_bytes(content)
            for name in contents:
                move_synced(Path(partial, name), folder / name)
        for name in stale - contents.keys():
            (folder / name).unlink(missing_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise _cannot_create(folder) from None
    except OSError as error:
        if is_new:
            with suppress(OSError):
                folder.rmdir()
        raise _cannot_write(folder, error) from error
    return [folder / name for name in contents]


def _contents(report: Report) -> dict[str, bytes]:
    from visualdl_embedding.reports._page import page
    from visualdl_embedding.reports._show import picture

    contents: dict[str, bytes] = {}
    if missing := missing_page():
        _log.warning("%s is not written. %s", PAGE, missing)
    else:
        contents[PAGE] = page(report).encode()
    contents |= {f"{view.key}.png": picture(report, view) for view in report.views if view.spec.repeat == 0}
    # Without the byte order mark, Excel reads a CSV in the local encoding and garbles Chinese text.
    contents["coordinates.csv"] = coordinates_csv(report).encode("utf-8-sig")
    contents["neighbors.tsv"] = neighbors_tsv(report).encode()
    return contents | {RECORD: report_json(report, [*contents, RECORD]).encode()}


def check_folder(folder: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Check before the analysis that a report can be written to a folder; errors are those of `Report.write`."""
    place = Path(os.path.realpath(folder))
    _files_to_replace(place, overwrite)
    above = place
    while not above.exists() and above != above.parent:
        above = above.parent
    if not above.is_dir():
        raise _cannot_create(place)
    if not os.access(above, os.W_OK | os.X_OK):
        raise _cannot_write(place, PermissionError(errno.EACCES, os.strerror(errno.EACCES)))


def _files_to_replace(folder: Path, overwrite: bool) -> set[str]:
    """Return the names of the files of an earlier report, all of which a new report replaces.

    If the folder contains other files, FileExistsError is raised; with `overwrite` the result is empty, and all files
    are kept that the new report does not write.
    """
    if not folder.exists():
        return set()
    if not folder.is_dir():
        raise FileExistsError(f"'{folder}' is a file; a report is a folder. Give another name.")
    try:
        # The temporary folder of an interrupted report is not a file of the user.
        left_over = set(folder.glob(f".{glob.escape(folder.name)}.*{PARTIAL}"))
        there = {entry.name for entry in set(folder.iterdir()) - left_over}
    except OSError as error:
        raise _cannot_write(folder, error) from error
    foreign = sorted(there - _report_files(folder))
    if not foreign or overwrite:
        return set() if foreign else there
    shown = ", ".join(foreign[:3]) + (f" and {len(foreign) - 3} more" if len(foreign) > 3 else "")
    raise FileExistsError(
        f"The folder '{folder}' contains files that are not part of a report ({shown}), so nothing was written. Give "
        "another folder, or overwrite=True (--overwrite) to add the report to it; other files are kept."
    )


def _report_files(folder: Path) -> set[str]:
    """Return the names of the files of an earlier report in the folder; empty if there is none."""
    with suppress(OSError, ValueError, LookupError, TypeError):
        record = json.loads((folder / RECORD).read_text("utf-8"))
        if record["format"] == FORMAT:
            named = {str(name) for name in record["files"]}
            return {name for name in named if name.endswith(ENDINGS) and (folder / name).is_file()}
    return set()


def _cannot_create(folder: Path) -> NotADirectoryError:
    """Return the error for a folder whose path contains a file."""
    file = next((part for part in (folder, *folder.parents) if part.exists() and not part.is_dir()), folder)
    return NotADirectoryError(f"Cannot create the folder '{folder}': '{file}' is a file.")


def _cannot_write(folder: Path, error: OSError) -> OSError:
    why = error.strerror or str(error)
    explained = type(error)(
        f"Cannot write the report to '{folder}': {why}. Give a folder that you may write to (--output), with room for "
        "about 10 MB."
    )
    explained.errno = error.errno
    return explained


def coordinates_csv(report: Report) -> str:
    """Return `Report.coordinates` as CSV, with an apostrophe before text that spreadsheets read as a formula."""
    columns = report.coordinates()
    cells = [_cells(values) for values in columns.values()]
    return _table([spreadsheet_cell(name) for name in columns], zip(*cells, strict=True), delimiter=",")


def neighbors_tsv(report: Report) -> str:
    """Return the neighbors in the original space as TSV: row, rank, neighbor, cosine, and, for Euclidean, the distance.

    Text as in `coordinates_csv`.
    """
    indices, cosines, distances = report.neighbors
    labels = [spreadsheet_cell(label) for label in report.snapshot.rows.labels]
    euclidean = report.analysis.neighbors.distance == "euclidean"

    def lines() -> Iterator[list[str]]:
        for i, row in enumerate(indices.tolist()):
            for rank, j in enumerate(row):
                if j >= 0:
                    line = [labels[i], str(rank + 1), labels[j], f"{cosines[i, rank]:.4f}"]
                    yield [*line, f"{distances[i, rank]:.6g}"] if euclidean else line

    header = ["row", "rank", "neighbor", "cosine", *(["distance"] if euclidean else [])]
    return _table(header, lines(), delimiter="\t")


def report_json(report: Report, files: Sequence[str]) -> str:
    """Return everything that is not a value per row as JSON: metrics, findings, parameters, seeds and versions."""
    rows, table, study = report.snapshot.rows, report.table, report.study
    content = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "model": report.name,
        "source": report.source,
        "table": {name: getattr(table, name) for name in ("name", "num_rows", "dim", "dtype", "padding_idx")},
        "rows": {
            "number": len(rows),
            "how": rows.how,
            "left_out": rows.left_out,
            "watch": rows.watch,
            "version": rows.version,
        },
        "parameters": report.parameters,
        "metrics": report.analysis.scalars,
        "counters": report.counters,
        "views": [
            {
                "key": view.key,
                "method": view.spec.method,
                "n_components": view.spec.n_components,
                "parameters": view.parameters,
                "metrics": view.numbers,
                "doubtful_rows": study.doubtful_rows(view.key).sum(),
            }
            for view in report.views
        ],
        "clusters": {"number": study.clusters.max(initial=-1) + 1, "rows_in_none": (study.clusters < 0).sum()},
        "findings": [finding.to_dict() for finding in report.findings],
        "notes": report.notes,
        "versions": report.versions,
        "files": files,
    }
    return dumps(content, indent=2) + "\n"


def _cells(values: NDArray[Any]) -> list[str]:
    if values.dtype == object:
        return [spreadsheet_cell(str(value)) for value in values]
    if values.dtype.kind == "f":
        return ["" if value != value else f"{value:.7g}" for value in values.tolist()]
    return [str(value) for value in values.tolist()]


def _table(header: list[str], lines: Iterable[Sequence[str]], *, delimiter: str) -> str:
    text = io.StringIO()
    if delimiter == ",":
        writer = csv.writer(text, lineterminator="\n")
    else:
        # Tabs and line ends inside cells are already escaped, so a TSV needs no quotes.
        writer = csv.writer(text, delimiter=delimiter, lineterminator="\n", quoting=csv.QUOTE_NONE, quotechar=None)
    writer.writerow(header)
    writer.writerows(lines)
    return text.getvalue()
