"""Output of a report into a folder, through a temporary folder that is moved when complete."""

from __future__ import annotations

import json
import logging
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from visualdl_embedding.page import missing_page
from visualdl_embedding.reports._tables import FORMAT, coordinates_csv, neighbors_tsv, report_json

if TYPE_CHECKING:
    from visualdl_embedding.reports._report import Report

__all__ = ["check_folder", "write_report"]

_log = logging.getLogger(__name__)

PAGE = "report.html"
RECORD = "report.json"
PARTIAL = ".partial"
ENDINGS = (".html", ".png", ".csv", ".tsv", ".json")


def write_report(report: Report, folder: Path, *, overwrite: bool) -> list[Path]:
    """Write a report into a folder; see `Report.write`."""
    from visualdl_embedding.reports._page import page
    from visualdl_embedding.reports._pictures import picture

    # Resolve links, so that a link to a folder is kept.
    folder = Path(os.path.realpath(folder))
    replaced = _may_be_replaced(folder, overwrite)
    partial = _make_partial(folder)
    try:
        pictures = [view for view in report.views if view.spec.repeat == 0]
        names = [*(f"{view.key}.png" for view in pictures), "coordinates.csv", "neighbors.tsv", RECORD]
        missing = missing_page()
        if missing is None:
            names.insert(0, PAGE)
            (partial / PAGE).write_text(page(report), encoding="utf-8", newline="\n")
        else:
            _log.warning("%s is not written. %s", PAGE, missing)
        for view in pictures:
            (partial / f"{view.key}.png").write_bytes(picture(report, view))
        # Without the byte order mark, Excel reads a CSV in the local encoding and garbles Chinese text.
        (partial / "coordinates.csv").write_text(coordinates_csv(report), encoding="utf-8-sig", newline="\n")
        (partial / "neighbors.tsv").write_text(neighbors_tsv(report), encoding="utf-8", newline="\n")
        (partial / RECORD).write_text(report_json(report, names), encoding="utf-8", newline="\n")
        if partial.parent != folder and (replaced or not folder.exists()):
            _put_in_place(partial, folder)
        else:
            _put_inside(partial, folder, names, stale=_earlier(folder) if replaced else set())
    except OSError as error:
        raise _cannot_write(folder, error) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return [folder / name for name in names]


def check_folder(folder: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Check before the analysis that a report can be written to a folder; errors are those of `Report.write`."""
    place = Path(os.path.realpath(folder))
    _may_be_replaced(place, overwrite)
    above = place
    while not above.exists() and above != above.parent:
        above = above.parent
    if not above.is_dir():
        raise NotADirectoryError(f"Cannot make the folder '{place}': '{above}' is a file.")
    if not os.access(above, os.W_OK | os.X_OK):
        raise _cannot_write(place, PermissionError(13, "Permission denied"))


def _make_partial(folder: Path) -> Path:
    """Create the temporary folder of the report."""
    # A mounted folder (a container volume) cannot be renamed, and its parent is often not writable.
    inside = folder.exists() and (os.path.ismount(folder) or not os.access(folder.parent, os.W_OK))
    try:
        if not inside:
            folder.parent.mkdir(parents=True, exist_ok=True)
        where = folder if inside else folder.parent
        partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=PARTIAL, dir=where))
        # mkdtemp makes the folder private; give it the default permissions, so that a report can be shared.
        partial.chmod(0o777 & ~_umask())
    except (FileExistsError, NotADirectoryError):
        raise NotADirectoryError(f"Cannot make the folder '{folder}': a part of its path is a file.") from None
    except OSError as error:
        raise _cannot_write(folder, error) from error
    return partial


def _may_be_replaced(folder: Path, overwrite: bool) -> bool:
    """Return whether the whole folder may be replaced; raise FileExistsError if it must not be changed."""
    if not folder.exists():
        return False
    if not folder.is_dir():
        raise FileExistsError(f"'{folder}' is a file; a report is a folder. Give another name.")
    try:
        there = {entry.name for entry in folder.iterdir() if not _is_left_over(entry)}
    except OSError as error:
        raise _cannot_write(folder, error) from error
    if there <= _earlier(folder):
        return True
    if overwrite:
        return False
    foreign = sorted(there - _earlier(folder))
    shown = ", ".join(foreign[:3]) + (f" and {len(foreign) - 3} more" if len(foreign) > 3 else "")
    raise FileExistsError(
        f"The folder '{folder}' holds something that is not a report ({shown}), so nothing was written. Give another "
        "folder, or overwrite=True (--overwrite) to add the report to it; other files then stay."
    )


def _earlier(folder: Path) -> set[str]:
    """Return the names of the files of an earlier report in the folder; empty if there is none."""
    try:
        record = json.loads((folder / RECORD).read_text("utf-8"))
        if record["format"] == FORMAT:
            named = {str(name) for name in record["files"]}
            return {name for name in named if name.endswith(ENDINGS) and (folder / name).is_file()}
    except (OSError, ValueError, LookupError, TypeError):
        pass
    return set()


def _is_left_over(entry: Path) -> bool:
    """Return whether an entry is the temporary folder of an interrupted report."""
    return entry.name.startswith(f".{entry.parent.name}.") and entry.name.endswith(PARTIAL)


def _put_inside(partial: Path, folder: Path, names: list[str], *, stale: set[str]) -> None:
    for name in names:
        os.replace(partial / name, folder / name)
    for name in stale - set(names):
        (folder / Path(name).name).unlink(missing_ok=True)


def _put_in_place(partial: Path, folder: Path) -> None:
    aside = partial.with_name(f"{partial.name}.old")
    if folder.exists():
        folder.rename(aside)
    try:
        partial.rename(folder)
    except OSError:
        if aside.exists():
            aside.rename(folder)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _cannot_write(folder: Path, error: OSError) -> OSError:
    why = error.strerror or str(error)
    return type(error)(
        f"Cannot write the report to '{folder}': {why}. Give a folder that you may write to (--output), with room for "
        "about 10 MB."
    )


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
