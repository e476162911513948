"""Processor time and memory of reading a large vocabulary and choosing 500 rows and a watched one.

Each form of the file is read in a process of its own. *Stay* is the memory that the process has kept at the end.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
from _common import parser, report

FORMS = {"one token per line": "{token}\n", "token<TAB>id": "{token}\t{row_id}\n"}


def write_vocabularies(folder: Path, num_rows: int) -> dict[str, Path]:
    """Write Chinese and Latin words of 2 to 10 characters."""
    rng = random.Random(0)
    chinese, latin = [chr(code) for code in range(0x4E00, 0x8000)], "abcdefghijklmnopqrstuvwxyz"
    tokens = dict.fromkeys(["[PAD]", "[UNK]"])
    while len(tokens) < num_rows:
        letters, lengths = (chinese, (2, 2, 3, 4)) if rng.random() < 0.6 else (latin, range(3, 11))
        tokens["".join(rng.choices(letters, k=rng.choice(lengths)))] = None
    paths = {}
    for number, (name, form) in enumerate(FORMS.items()):
        paths[name] = folder / f"{number}.txt"
        lines = (form.format(token=token, row_id=i) for i, token in enumerate(tokens))
        paths[name].write_text("".join(lines), "utf-8")
    return paths


def read(path: Path) -> dict[str, float]:
    """Read a vocabulary in this process."""
    from visualdl_embedding.vocabulary import open_vocabulary, select_rows

    process = psutil.Process()
    before, start = process.memory_info().rss, time.process_time()
    vocabulary = open_vocabulary(path)
    rows = select_rows(vocabulary, num_rows=len(vocabulary), rows=500)
    select_rows(vocabulary, num_rows=len(vocabulary), rows=500, watch=[rows.labels[-1]])
    # `getrusage` would count the memory of the process that started this one.
    peak = 1024 * int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
    return {
        "seconds": time.process_time() - start,
        "peak_mb": (peak - before) / 1e6,
        "stay_mb": (process.memory_info().rss - before) / 1e6,
    }


def main() -> None:
    options = parser(__doc__.splitlines()[0])
    options.add_argument("--rows", type=int, default=2_000_000)
    options.add_argument("--read", type=Path, help="read this file, and print its figures as JSON")
    chosen = options.parse_args()
    if chosen.read:
        print(json.dumps(read(chosen.read)))
        return
    num_rows = 20_000 if chosen.quick else chosen.rows
    figures = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, path in write_vocabularies(Path(folder), num_rows).items():
            command = [sys.executable, __file__, "--read", str(path)]
            figures[name] = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    report(
        f"A vocabulary of {num_rows:,} tokens: aim 5 s and 150 MB",
        ("file", "processor time", "memory, peak", "stay"),
        [(k, f"{v['seconds']:.1f} s", f"{v['peak_mb']:.0f} MB", f"{v['stay_mb']:.0f} MB") for k, v in figures.items()],
        figures=figures,
        options=chosen,
    )


if __name__ == "__main__":
    main()
