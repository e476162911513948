"""Coverage-guided fuzzing of everything that reads a saved model, with atheris. Not collected by pytest.

    python -m pip install atheris
    python tests/fuzz/fuzz_sources.py --seconds 60                      # every kind of file, a minute each
    python tests/fuzz/fuzz_sources.py --kind m.pdparams --seconds 600
    python tests/fuzz/fuzz_sources.py --kind m.pdparams --input FILE    # one input again; needs no atheris

Right is: the tables' values, the same by `read_rows` and by `blocks` (and for ``.npy``, ``.npz`` and safetensors the
same as by their own libraries), or `UnreadableModelError`. Wrong is any other exception, 100 MiB of memory, 10 seconds,
or an attempt to import, to run, or to write anything. Ends with status 1 where something is wrong, and says where the
input lies. `tests/sources/test_fuzz_models.py` asks for the same of random changes, in every run of the tests.
"""

from __future__ import annotations

import argparse
import codecs
import gzip
import io
import json
import os
import pickle
import shutil
import struct
import subprocess
import sys
import tempfile
import tracemalloc
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

SOURCES = Path(__file__).resolve().parent.parent / "sources"
MAX_MEMORY = 100 * 2**20
MAX_SECONDS = 10
MAX_INPUT = 8192

PARTNERS = {
    "pir.json": "pir.pdiparams",
    "pir.pdiparams": "pir.json",
    "old.pdmodel": "old.pdiparams",
    "old.pdiparams": "old.pdmodel",
    "old.pdiparams.info": "old.pdiparams",
    "shards.safetensors.index.json": "one.safetensors",
    "config.json": "one.safetensors",
}
"""Kinds that are read only together with another file."""

TOKENS = {
    "pdparams": [
        b"cnumpy\nndarray\n", b"\x8c\x05numpy", b"\x8c\x07ndarray", b"\x8c\x16numpy._core.multiarray", b"\x93", b"\x81",
        b"\x8c\x0c_reconstruct", b"\x8c\x05dtype", b"R", b"b", b"(", b"t", b"}", b"]", b"u", b"s", b"a", b"\x94",
        b"h\0", b"\x85", b"\x86", b"\x87", b"\x8e\xff\xff\xff\xff\xff\xff\xff\x7f", b"\x8b\xff\xff\xff\x7f", b"i",
        b"cos\nsystem\n", b"UnpackBigParamInfor@@", b"StructuredToParameterName@@", b"OriginShape", b"slices",
        b"c_codecs\nencode\n",
    ],
    "npy": [b"'descr'", b"'fortran_order'", b"'shape'", b"'<f4'", b"'>f8'", b"'|O'", b"True", b"(2, 3)", b"(0,)"],
    "safetensors": [b'"dtype"', b'"shape"', b'"data_offsets"', b'"F32"', b'"BF16"', b"[0,4]", b"__metadata__", b"[]"],
    "json": [b'"#"', b'"A"', b'"O"', b'"TT"', b'"weight_map"', b'"vocab_size"', b"null", b"[", b"{}", b"-1", b"1e999"],
    "vec": [b"nan", b"inf", b"1e999", b"-0", b"\xef\xbb\xbf", b"\r\n", b"\t", b"  ", b"\xe3\x80\x80"],
}  # fmt: skip
"""Words of each format, for libFuzzer."""


def corpus() -> dict[str, bytes]:
    """One good file of every kind, made by Paddle and by the programs whose formats they are."""
    sys.path.insert(0, str(SOURCES))
    from saved_models import VECTORS, WRITERS, save_inference, save_older_inference

    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        for name, write in WRITERS.items():
            write(folder / name)
        for prefix, save in (("pir", save_inference), ("old", save_older_inference)):
            (folder / prefix).mkdir()
            save(folder / prefix)
            for file in (folder / prefix).iterdir():
                file.rename(folder / file.name.replace("m.", f"{prefix}.", 1))
        shutil.copy(folder / "m.safetensors", folder / "one.safetensors")
        weights = {"word_emb.weight": "one.safetensors", "b": "one.safetensors"}
        (folder / "shards.safetensors.index.json").write_text(json.dumps({"weight_map": weights}))
        (folder / "config.json").write_text(json.dumps({"vocab_size": len(VECTORS)}))
        # As Paddle cuts tensors above 1 GiB, only smaller.
        flat = np.repeat(VECTORS, 12).astype("<f4")
        parts = {f"word_emb@@.{i}": part for i, part in enumerate(np.split(flat, 2))}
        about = {"word_emb": {"OriginShape": (len(VECTORS), len(flat) // len(VECTORS)), "slices": list(parts)}}
        (folder / "cut.pdparams").write_bytes(pickle.dumps({**parts, "UnpackBigParamInfor@@": about}, protocol=2))
        (folder / "expected.npy").unlink()
        return {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}


class Wrong(Exception):
    """What no file may bring about."""


class Guard:
    """Notes what the process does while a file is read."""

    EVENTS = ("import", "exec", "compile", "pickle.", "os.", "shutil.", "subprocess.", "ctypes.", "socket.", "urllib.")
    HARMLESS = ("os.listdir", "os.scandir", "os.fwalk", "os.walk")

    def __init__(self) -> None:
        self.active = False
        self.seen = ""
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.active:
            return
        writes = event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+")
        forbidden = event.startswith(self.EVENTS) and event not in self.HARMLESS
        if writes or forbidden:
            self.active = False
            self.seen = f"{event} {ascii(arguments)[:300]}"
            raise Wrong(self.seen)


def read_all(path: Path) -> dict[str, np.ndarray]:
    """Read all there is, in both ways."""
    from visualdl_embedding.files import open_tables, table_counters

    found = {}
    for stored in open_tables(path, all_matrices=True):
        str(stored)
        shape = (stored.table.num_rows, stored.table.dim)
        whole = np.concatenate([block for _, block in stored.blocks()])
        if whole.shape != shape or whole.dtype != np.float32:
            raise Wrong(f"{stored} came as {whole.dtype} {whole.shape}")
        ids = [shape[0] - 1, 0, shape[0] // 2]
        if not np.array_equal(stored.read_rows(ids).view(np.uint32), whole[ids].view(np.uint32)):
            raise Wrong(f"read_rows and blocks of {stored} differ")
        labels = stored.read_labels(errors="replace")
        if labels is not None and len(labels) != shape[0]:
            raise Wrong(f"{stored} has {len(labels)} labels")
        if table_counters(stored)["num_rows"] != shape[0]:
            raise Wrong(f"the counters of {stored} have another number of rows")
        found[stored.key] = whole
    return found


def compare(path: Path, found: dict[str, np.ndarray]) -> None:
    """Compare with what the format's own library reads; what it refuses is not compared."""
    try:
        if path.suffix == ".npy":
            theirs = dict.fromkeys(found, np.load(path))
        elif path.suffix == ".npz":
            with np.load(path) as archive:
                theirs = {key: archive[key] for key in found}
        elif path.suffix == ".safetensors":
            from safetensors.numpy import load_file

            theirs = load_file(path)
        else:
            return
    except Exception:
        return
    for key, values in found.items():
        other = np.asarray(theirs[key])
        if other.dtype.kind != "f":
            continue
        with np.errstate(over="ignore", invalid="ignore"):
            other = other.astype(np.float32)
        if not np.array_equal(values, other, equal_nan=True):
            raise Wrong(f"{key!r} is not what its own library reads")


class Target:
    """Reads inputs of one kind, as the file they would be."""

    def __init__(self, kind: str, folder: Path, seeds: Path) -> None:
        self.kind, self.folder = kind, folder
        if partner := PARTNERS.get(kind):
            shutil.copy(seeds / partner, folder / partner)
        self.path = folder if kind == "config.json" else folder / kind
        if kind == "old.pdiparams.info":
            self.path = folder / "old.pdiparams"
            shutil.copy(seeds / "old.pdmodel", folder / "old.pdmodel")
        self.guard = Guard()
        # What is imported lazily is imported now, so that any later import is the file's doing.
        for seed in seeds.iterdir():
            if seed.suffix not in (".json", ".info", ".pdmodel"):
                read_all(seed)
        # JSON may come in any of these.
        for encoding in ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be", "utf-8-sig"):
            codecs.lookup(encoding)
        tracemalloc.start()
        self((seeds / kind).read_bytes())

    def __call__(self, data: bytes) -> None:
        from visualdl_embedding.files import UnreadableModelError

        (self.folder / self.kind).write_bytes(data)
        tracemalloc.reset_peak()
        before, _ = tracemalloc.get_traced_memory()
        self.guard.active, self.guard.seen = True, ""
        found = {}
        try:
            found = read_all(self.path)
        except UnreadableModelError as error:
            message = str(error)
            if len(message) > 20_000 or not message.partition("\n")[0].endswith("."):
                raise Wrong(f"no sentence: {message[:500]!r}") from error
        finally:
            self.guard.active = False
        if self.guard.seen:
            raise Wrong(f"it led to {self.guard.seen}")
        _, peak = tracemalloc.get_traced_memory()
        if peak - before > MAX_MEMORY:
            raise Wrong(f"{len(data):,} bytes took {(peak - before) / 2**20:.0f} MiB of memory")
        compare(self.folder / self.kind, found)


def unpack(kind: str, data: bytes) -> tuple[bytes, Callable[[bytes], bytes]]:
    """Take off what any changed byte would break (checksums, compression, lengths), and tell how to put it back."""
    if kind.endswith(".gz"):
        return gzip.decompress(data), lambda inner: gzip.compress(inner, 1, mtime=0)
    if kind.endswith(".npz"):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = {info: archive.read(info) for info in archive.infolist()}
        first = next(iter(members))

        def zipped(inner: bytes) -> bytes:
            file = io.BytesIO()
            with zipfile.ZipFile(file, "w") as archive:
                for info, content in members.items():
                    archive.writestr(info.filename, inner if info is first else content, info.compress_type)
            return file.getvalue()

        return members[first], zipped
    if kind.endswith(".safetensors"):
        length = int.from_bytes(data[:8], "little")
        values = data[8 + length :]
        return data[8 : 8 + length], lambda inner: struct.pack("<Q", len(inner)) + inner + values
    raise ValueError("nothing to take off")


def fuzz(kind: str, seeds: Path, found: Path, seconds: int) -> None:
    """Fuzz one kind in this process, which ends here."""
    import atheris

    with atheris.instrument_imports(include=["visualdl_embedding"]):
        import visualdl_embedding.files._open  # noqa: F401

    folder = Path(tempfile.mkdtemp())
    target = Target(kind, folder, seeds)

    def mutate(data: bytes, max_size: int, seed: int) -> bytes:
        if seed % 4:
            try:
                inner, pack = unpack(kind, data)
                return pack(atheris.Mutate(inner, max(1, max_size - 200)))[:max_size]
            except Exception:  # an input that is no longer of this form
                pass
        return bytes(atheris.Mutate(data, max_size))

    (folder / "corpus").mkdir()
    shutil.copy(seeds / kind, folder / "corpus" / "seed")
    words = next((words for ending, words in TOKENS.items() if ending in kind), [])
    words = TOKENS["vec"] if "glove" in kind else TOKENS["pdparams"] if kind.endswith(".info") else words
    escaped = ["".join(f"\\x{byte:02x}" for byte in word) for word in words]
    (folder / "dictionary").write_text("".join(f'"{word}"\n' for word in escaped))
    arguments = [
        sys.argv[0],
        str(folder / "corpus"),
        f"-max_total_time={seconds}",
        f"-max_len={max(MAX_INPUT, 2 * (seeds / kind).stat().st_size)}",
        f"-timeout={MAX_SECONDS}",
        f"-artifact_prefix={found}{os.sep}{kind}.",
        "-print_final_stats=1",
        *([f"-dict={folder / 'dictionary'}"] if words else []),
    ]
    wraps = kind.endswith((".gz", ".npz", ".safetensors"))
    atheris.Setup(arguments, target, **({"custom_mutator": mutate} if wraps else {}))
    atheris.Fuzz()


def fuzz_all(kinds: list[str], seconds: int, found: Path, jobs: int) -> int:
    """Fuzz each kind in a process of its own; return how many went wrong."""
    with tempfile.TemporaryDirectory() as work:
        seeds = Path(work, "seeds")
        seeds.mkdir()
        for name, content in corpus().items():
            (seeds / name).write_bytes(content)
        known = sorted(file.name for file in seeds.iterdir() if file.name != "one.safetensors")
        if unknown := set(kinds) - set(known):
            raise SystemExit(f"Unknown kinds: {', '.join(sorted(unknown))}. Known are {', '.join(known)}.")

        def run(kind: str) -> bool:
            command = [sys.executable, __file__, "--child", str(seeds), "--kind", kind, "--seconds", str(seconds)]
            child = subprocess.run(
                [*command, "--found", str(found)],
                capture_output=True,
                text=True,
                errors="replace",
                env={**os.environ, "TMPDIR": work},
            )
            output = (child.stderr + child.stdout).splitlines()
            runs = next((line.split()[-1] for line in output if "number_of_executed_units" in line), "0")
            lines = [f"{kind:30} {int(runs):>9,} inputs  {'WRONG' if child.returncode else 'right'}"]
            if child.returncode:
                lines += [line for line in output if not line.startswith(("#", "INFO"))][-40:]
            print("\n".join(lines), flush=True)
            return child.returncode != 0

        with ThreadPoolExecutor(jobs) as pool:
            return sum(pool.map(run, kinds or known))


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--seconds", type=int, default=60, help="for each kind of file")
    options.add_argument("--kind", action="append", default=[], help="such as m.pdparams; may be given several times")
    options.add_argument("--jobs", type=int, default=1, help="kinds that are fuzzed at the same time")
    options.add_argument("--found", type=Path, metavar="DIR", help="where inputs that went wrong are put")
    options.add_argument("--input", type=Path, metavar="FILE", help="read this input again as the one --kind given")
    options.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    arguments = options.parse_args()
    if arguments.child:
        fuzz(arguments.kind[0], arguments.child, arguments.found, arguments.seconds)
    if arguments.input:
        if len(arguments.kind) != 1:
            options.error("--input wants one --kind")
        with tempfile.TemporaryDirectory() as seeds, tempfile.TemporaryDirectory() as folder:
            for name, content in corpus().items():
                Path(seeds, name).write_bytes(content)
            Target(arguments.kind[0], Path(folder), Path(seeds))(arguments.input.read_bytes())
        print("right")
        return 0
    try:
        import atheris  # noqa: F401
    except ImportError as error:
        print(f"Skipped: atheris cannot be imported ({error}). Install it with: python -m pip install atheris")
        return 0
    found = arguments.found or Path(tempfile.mkdtemp(prefix="fuzz-sources-"))
    found.mkdir(parents=True, exist_ok=True)
    wrong = fuzz_all(arguments.kind, arguments.seconds, found, arguments.jobs)
    if wrong:
        print(f"{wrong} kinds of files went wrong; the inputs are in {found}")
    elif not arguments.found:
        found.rmdir()
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
