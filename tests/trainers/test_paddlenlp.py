"""The callback in the real Trainer of PaddleNLP, the guide's code and the example."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from real_trainings import RealTrainings, only_run
from trainer_environments import ROOT, run

from visualdl_embedding import open_run

pytestmark = [pytest.mark.trainers, pytest.mark.timeout(1800)]

GUIDE = (ROOT / "docs" / "guide.md").read_text("utf-8")
BEFORE = """
from train_tiny import paddlenlp

made = paddlenlp()
model, data = made["model"], made["train_dataset"]
"""


class TestPaddleNLP(RealTrainings):
    framework = "paddlenlp"
    table = "ernie.embeddings.word_embeddings"

    def test_a_network_compiled_as_a_whole(self, train: Callable[..., str], tmp_path: Path) -> None:
        train(tmp_path / "out", 4, "--arguments", '{"to_static": true}')
        assert open_run(only_run(tmp_path / "out")).steps(self.table) == [0, 3, 4]

    def test_the_code_of_the_guide_runs(self, python: Path, tmp_path: Path) -> None:
        (code,) = re.findall(r"^```python\n(from paddlenlp.*?)^```", GUIDE, re.S | re.M)
        here = Path(__file__).parent
        script = tmp_path / "training.py"
        script.write_text(f"import sys\n\nsys.path.insert(0, {str(here)!r})\n{BEFORE}{code}", "utf-8")
        run([python, script], cwd=tmp_path, timeout=300)
        assert open_run(only_run(tmp_path / "out")).steps(self.table) == [0, 20, 40]

    def test_the_example_runs(self, python: Path, tmp_path: Path) -> None:
        output = run([python, ROOT / "examples" / "paddlenlp_trainer.py", "out"], cwd=tmp_path, timeout=300)
        assert "steps: [0, 20, 40, 60, 80, 100]" in output
