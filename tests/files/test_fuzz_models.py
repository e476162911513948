"""Any file, cut off or changed anywhere, gives right values or UnreadableModelError, never more, in little memory."""

from __future__ import annotations

import pickle
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from saved_models import VECTORS, WRITERS, save_inference, save_older_inference

from visualdl_embedding.files import UnreadableModelError, open_tables

NAMES = [*WRITERS, "pir.json", "pir.pdiparams", "old.pdmodel", "old.pdiparams", "old.pdiparams.info"]
SHARES = st.floats(0, 1, exclude_max=True)
# Half of the changes in the first 300 bytes, where most of what is not values stands.
CHANGES = st.lists(st.tuples(SHARES, st.booleans(), st.integers(0, 255)), max_size=6)


class Files(dict[str, bytes]):
    def __repr__(self) -> str:
        # Hypothesis prints arguments, and warns of long ones.
        return f"<{len(self)} files>"


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """Whole files by name; those of the inference models need their partners."""
    folder = tmp_path_factory.mktemp("good")
    for name, write in WRITERS.items():
        write(folder / name)
    found = Files({name: (folder / name).read_bytes() for name in WRITERS})
    for prefix, save in (("pir", save_inference), ("old", save_older_inference)):
        (folder / prefix).mkdir()
        save(folder / prefix)
        for file in (folder / prefix).iterdir():
            found[file.name.replace("m.", f"{prefix}.", 1)] = file.read_bytes()
    return found


def exercise(path: Path) -> list[np.ndarray]:
    """Read all there is; nothing where it is refused."""
    tracemalloc.start()
    try:
        found = []
        for stored in open_tables(path, all_matrices=True):
            blocks = [block for _, block in stored.blocks()]
            assert len(stored.read_rows([0, stored.table.num_rows - 1])) == 2
            stored.read_labels(errors="replace")
            found.append(np.concatenate(blocks))
        return found
    except UnreadableModelError:
        return []
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 100 * 2**20


def placed(folder: Path, name: str, data: bytes, good: Files) -> Path:
    prefix = name.partition(".")[0]
    for other, content in good.items():
        if other.startswith(f"{prefix}.") and prefix in ("pir", "old"):
            (folder / other).write_bytes(content)
    (folder / name).write_bytes(data)
    return folder / prefix if prefix in ("pir", "old") else folder / name


fuzzing = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)


@pytest.mark.parametrize("name", NAMES)
@fuzzing
@given(place=SHARES)
def test_cut_off_anywhere(name: str, place: float, good: Files, tmp_path: Path) -> None:
    whole = good[name]
    size = int(place * len(whole))
    expected = exercise(placed(tmp_path, name, whole, good))
    found = exercise(placed(tmp_path, name, whole[:size], good))
    if not found:
        return
    if name == "glove.txt":
        # Nothing tells how many lines it had, how many numbers the only one, or how many digits the last of them.
        assert len(found[0]) == 1 or np.array_equal(found[0][:-1], VECTORS[: len(found[0]) - 1])
    elif name == "m.vec":
        assert np.array_equal(found[0][:-1], VECTORS[:-1])
    else:
        assert all(np.array_equal(*pair) for pair in zip(found, expected, strict=True))


@pytest.mark.parametrize("name", NAMES)
@fuzzing
@given(changes=CHANGES)
def test_bytes_changed_anywhere(name: str, changes: list[tuple[float, bool, int]], good: Files, tmp_path: Path) -> None:
    changed = bytearray(good[name])
    for place, at_start, byte in changes:
        changed[int(place * (min(300, len(changed)) if at_start else len(changed)))] = byte
    exercise(placed(tmp_path, name, bytes(changed), good))


class Touch:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("protocol", [0, 2, 4])
@fuzzing
@given(changes=CHANGES)
def test_a_payload_never_runs_however_it_is_changed(
    protocol: int, changes: list[tuple[float, bool, int]], tmp_path: Path
) -> None:
    code = bytearray(pickle.dumps({"word_emb": VECTORS, "more": Touch(tmp_path / "ran")}, protocol=protocol))
    for place, _, byte in changes:
        code[int(place * len(code))] = byte
    (tmp_path / "m.pdparams").write_bytes(bytes(code))
    exercise(tmp_path / "m.pdparams")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "ending", [".pdparams", ".safetensors", ".npy", ".npz", ".pdiparams", ".vec", ".bin", ".gz", ""]
)
@fuzzing
@given(content=st.binary(max_size=300))
def test_noise(ending: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / f"m{ending}").write_bytes(content)
    exercise(tmp_path / f"m{ending}")


OPCODES = b"NK\x01}]()tRbsuae0123\x85\x86\x87\x88\x94h\x00\x93\x81\x8c\x01\x02c\nqIX."


@settings(fuzzing, max_examples=300)
@given(code=st.lists(st.sampled_from(list(OPCODES)), max_size=60))
def test_noise_of_instructions(code: list[int], tmp_path: Path) -> None:
    (tmp_path / "m.pdparams").write_bytes(b"\x80\x04" + bytes(code))
    exercise(tmp_path / "m.pdparams")


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", NAMES)
def test_many_changes(name: str, good: Files, tmp_path: Path) -> None:
    """Bytes changed, and stretches removed, doubled and moved, 2,000 times for every kind of file."""
    rng = np.random.default_rng(0)
    for _ in range(2000):
        data = bytearray(good[name])
        for _ in range(rng.integers(1, 4)):
            size = len(data) if rng.integers(2) else min(len(data), 300)
            start = int(rng.integers(size + 1))
            stop = start + int(rng.integers(1, 20))
            kind = rng.integers(5)
            if kind == 0:
                data[start:stop] = b""
            elif kind == 1:
                data[start:start] = data[start:stop]
            elif kind == 2:
                data[start:stop] = rng.integers(0, 256, stop - start, np.uint8).tobytes()
            elif kind == 3:
                data[start : start + 8] = rng.choice([b"\xff" * 8, b"\0" * 8, b"\0\0\0\x80", b"99999999", b"-1"])
            elif start < len(data):
                data[start] ^= 1 << int(rng.integers(8))
        exercise(placed(tmp_path, name, bytes(data), good))
