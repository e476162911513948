"""Machine code belongs to its source, and equal settings give equal numbers in every process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

MODULE = "from visualdl_embedding.core.compiled import compile_loop\n\n\ndef value():\n    return {value}\n"
MAPS = """
import numpy as np
from visualdl_embedding.projection import project
vectors = np.random.default_rng(0).normal(size=(40, 16)).astype(np.float32)
for method in ("tsne", "umap"):
    first = project(vectors, method=method).coordinates
    print(first.tobytes().hex(), project(vectors, method=method, init=first).coordinates.tobytes().hex())
"""


def run(code: str, cache: Path, folder: Path) -> str:
    env = {**os.environ, "NUMBA_CACHE_DIR": str(cache), "PYTHONPATH": os.pathsep.join([str(folder), *sys.path])}
    return subprocess.run([sys.executable, "-c", code], env=env, check=True, capture_output=True, text=True).stdout


@pytest.mark.slow
def test_versions_of_a_source_do_not_share_files_of_machine_code(tmp_path: Path) -> None:
    for value in (1, 2):
        (tmp_path / "loops.py").write_text(MODULE.format(value=value))
        code = "import loops; print(loops.compile_loop(loops.value)())"
        assert run(code, tmp_path / "cache", tmp_path) == f"{value}\n"
    assert len(list((tmp_path / "cache").rglob("*.nbc"))) == 2


@pytest.mark.slow
def test_two_processes_draw_equal_maps_with_compiled_and_with_cached_kernels(tmp_path: Path) -> None:
    # The first process compiles, the second one reads the cache.
    first, second = (run(MAPS, tmp_path / "cache", tmp_path) for _ in range(2))
    assert first == second
