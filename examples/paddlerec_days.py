"""Record the days of a parameter-server training as steps of a run.

PaddleRec's online trainer saves every pass to ``<out>/<YYYYMMDD>/<pass>/`` and lists it in ``<out>/donefile.txt``. This
program records the last save of each day that is not in the run yet; the step is the date:

    python paddlerec_days.py output_model --run runs/ps --names names.tsv --watch 手机

Inside a trainer, two lines after `save_model` or `save_batch_model` do the same for one save. Its files must be local:

    if fleet.is_first_worker():
        record_save(f"{output_path}/{day}/{pass_id}", "runs/ps", step=int(day))

PaddleRec's static trainer saves epochs to ``<out>/<epoch>/``; there, `step` is the epoch. Deltas (mode 1) hold only the
rows that changed, so record full saves (modes 0, 2 and 3).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from visualdl_embedding import Config, open_model, open_run
from visualdl_embedding.runs import next_step, record_once, watch_for

CONFIG = Config(methods=("pca",), null_pairs=10)
"""Settings of a new run. The drift of a day is compared with that of ten earlier days."""


def days(out: Path) -> dict[int, Path]:
    """Folder of the last save of each day in ``donefile.txt``: day, key, path, pass, 0, separated by tabs."""
    found = {}
    for line in (out / "donefile.txt").read_text("utf-8").splitlines():
        if len(fields := line.split("\t")) >= 4:
            # The path may be of another machine or of HDFS; its last part is the pass, or 0 for the batch model.
            found[int(fields[0])] = out / fields[0] / Path(fields[2]).name
    return dict(sorted(found.items()))


def record_save(
    path: str | Path,
    run: str,
    *,
    step: int,
    names: str | None = None,
    watch: Sequence[str] = (),
    table: str | None = None,
) -> str:
    """Record one save, and describe it in a line."""
    opened = open_model(path, vocabulary=names).table(table)
    snapshot = opened.snapshot(rows=500, watch=watch_for(run, opened, watch), step=step)
    earlier: Sequence[str] = ()
    if next_step(run, opened.name):
        earlier = open_model(run).table(opened.name).vocabulary.labels
    done = record_once(run, snapshot, table=opened.table, config=None if earlier else CONFIG)
    arrived, left = set(snapshot.rows.labels) - set(earlier), set(earlier) - set(snapshot.rows.labels)
    counted = f"{len(arrived)} rows arrived, {len(left)} left" if earlier else f"{len(arrived)} rows"
    return "\n  ".join([f"{step}: {counted}", *snapshot.notes, *done.notes, *(a.message for a in done.alerts)])


def main() -> None:
    parser = argparse.ArgumentParser(description="Record the days of a parameter-server training.")
    parser.add_argument("out", type=Path, help="output folder of the trainer, with donefile.txt")
    parser.add_argument("--run", default="runs/ps", help="run to record in")
    parser.add_argument("--names", help="file with a key and a name per line")
    parser.add_argument("--watch", action="append", default=[], help="name or key to watch; repeatable")
    parser.add_argument("--table", help="name of the table, such as table_000, if there are several")
    options = parser.parse_args()
    recorded = -1
    if (Path(options.run) / "embeddings").is_dir():
        recorded = max(max(open_run(options.run).steps(name)) for name in open_run(options.run).tables())
    for day, path in days(options.out).items():
        if day > recorded:
            more = {"names": options.names, "watch": options.watch, "table": options.table}
            print(record_save(path, options.run, step=day, **more))


if __name__ == "__main__":
    main()
