"""The guides and READMEs say what the code does, in both languages: options, commands, metrics, examples, links."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import numpy as np
import pytest

from visualdl_embedding.cli import main
from visualdl_embedding.metrics import METRICS

ROOT = Path(__file__).resolve().parent.parent
GUIDES = ("docs/guide.md", "docs/guide.zh-CN.md")
CASES = ("docs/case-studies.md", "docs/case-studies.zh-CN.md")
SCALE = ("docs/scale.md", "docs/scale.zh-CN.md")
PAIRS = (GUIDES, ("README.md", "README.zh-CN.md"))
PAGES = (
    *GUIDES,
    *CASES,
    *SCALE,
    "README.md",
    "README.zh-CN.md",
    "docs/metrics.md",
    "docs/metrics.zh-CN.md",
    "CONTRIBUTING.md",
)
ARROW = "# → "
DIRECTIONS = {"higher": True, "lower": False, "–": None, "越高越好": True, "越低越好": False}


def read(page: str) -> str:
    return (ROOT / page).read_text("utf-8")


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", read(page), re.S | re.M)


def prose(page: str) -> str:
    return re.sub(r"^```.*?^```|^    .*?$", "", read(page), flags=re.S | re.M)


def statements(page: str) -> list[list[str]]:
    """Code of each Python block without its comments."""
    return [[ast.dump(node) for node in ast.parse(block).body] for block in blocks(page, "python")]


@pytest.mark.parametrize("guide", GUIDES)
def test_the_table_of_options_is_the_signature(guide: str) -> None:
    from visualdl_embedding.callbacks import EmbeddingCallback

    options = {
        name: ast.literal_eval(default)
        for name, default in re.findall(r"^\| `(\w+)` \| `([^`]+)` \|", read(guide), re.M)
    }
    parameters = inspect.signature(EmbeddingCallback).parameters
    assert options == {name: parameter.default for name, parameter in parameters.items()}


@pytest.mark.parametrize("guide", GUIDES)
def test_every_command_with_its_options_is_in_the_guide(guide: str) -> None:
    text = read(guide)
    assert isinstance(main, click.Group)
    for name, command in main.commands.items():
        assert f"visualdl-embedding {name}" in text, name
        for parameter in (*command.params, *main.params):
            for option in parameter.opts if isinstance(parameter, click.Option) else ():
                assert option in text, (name, option)


@pytest.mark.parametrize("page", PAGES)
def test_a_command_line_in_a_page_is_one_that_the_program_takes(page: str, tmp_path: Path) -> None:
    assert isinstance(main, click.Group)
    lines = [line for block in blocks(page, "bash") for line in re.split(r"\n|&&", block)]
    for words in map(shlex.split, lines):
        if words[:1] == ["visualdl-embedding"]:
            known = [str(tmp_path) if word.startswith("runs/") else word for word in words[2:]]
            main.commands[words[1]].make_context(words[1], known)


@pytest.mark.parametrize("guide", GUIDES)
def test_every_metric_is_in_the_guide_with_its_direction(guide: str) -> None:
    text = read(guide)
    said: dict[str, bool | None] = {}
    for names, good in re.findall(r"^\| ((?:`\w+`[,、 ]*)+) \| (\S+) \| ", text, re.M):
        if good in DIRECTIONS:
            said |= dict.fromkeys(re.findall(r"\w+", names), DIRECTIONS[good])
    assert set(said) <= set(METRICS)
    for name, metric in METRICS.items():
        assert f"`{name}`" in text, name
        assert said.get(name, ...) == metric.higher_is_better or metric.scope == "row", name


def metrics_script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_metrics", ROOT / "docs" / "make_metrics.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_pages_of_metrics_are_those_of_the_registry(language: str) -> None:
    script = metrics_script()
    page = f"docs/{script.FILES[language]}"
    assert read(page) == script.render(language), f"{page} is out of step: run `python docs/make_metrics.py`."


@pytest.mark.parametrize(("english", "chinese"), PAIRS)
def test_both_languages_have_the_same_examples(english: str, chinese: str) -> None:
    assert statements(english)
    assert statements(english) == statements(chinese)
    assert blocks(english, "bash") == blocks(chinese, "bash")


@pytest.mark.parametrize(("english", "chinese"), PAIRS)
def test_both_languages_have_the_same_sections_and_tables(english: str, chinese: str) -> None:
    def shape(page: str) -> list[str]:
        text = re.sub(r"^```.*?^```", "", read(page), flags=re.S | re.M)
        return re.findall(r"^#+(?= )|^\|(?=-)", text.split("\n## 术语")[0], re.M)

    assert shape(english) == shape(chinese)


def test_both_readmes_open_with_the_same_commands() -> None:
    opening = [blocks(page, "bash")[:2] for page in ("README.md", "README.zh-CN.md")]
    assert len(opening[0]) == 2
    assert opening[0] == opening[1]
    assert "visualdl-embedding demo" in opening[0][0]
    assert "pytest" in opening[0][1]


def test_what_the_readme_shows_is_run_with_the_guide() -> None:
    run = {statement for block in statements("docs/guide.md") for statement in block}
    shown = [statement for block in statements("README.md") for statement in block]
    missing = [statement for statement in shown if statement not in run]
    assert not missing, f"Put this into docs/guide.md as well, whose examples are run: {missing[0]}"


def anchor(heading: str) -> str:
    """The anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if "://" in target:
            continue
        path, _, place = target.partition("#")
        file = (ROOT / page).parent / path if path else ROOT / page
        assert file.exists(), f"{page}: {target}"
        if place:
            headings = re.findall(r"^#+ (.+)$", file.read_text("utf-8"), re.M)
            assert place in map(anchor, headings), f"{page}: {target}"


def promised(block: str) -> Iterator[tuple[ast.stmt, Any]]:
    """Statements of a block, each with the value that an arrow behind it promises, or Ellipsis."""
    lines = block.splitlines()
    for node in ast.parse(block).body:
        assert node.end_lineno is not None
        _, arrow, value = lines[node.end_lineno - 1].partition(ARROW)
        yield node, ast.literal_eval(value) if arrow else ...


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the guide takes for granted: a prepared model with a table `word`, its data and its vocabulary."""
    import paddle

    words = ["[PAD]", "[UNK]", "高兴", "快乐", "悲伤", "失望", "讽刺", *"加息很好坏", *(f"词{i}" for i in range(48))]

    class Bag(paddle.nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.word = paddle.nn.Embedding(len(words), 8, padding_idx=0)
            self.head = paddle.nn.Linear(8, 2)

        def forward(self, ids: paddle.Tensor) -> paddle.Tensor:
            return self.head(self.word(ids).mean(axis=1))

    class Sentences(paddle.io.Dataset):
        def __getitem__(self, i: int) -> tuple[Any, Any]:
            return (np.arange(6) * 7 + i) % len(words), np.array([i % 2])

        def __len__(self) -> int:
            return 20  # of which fit makes 20 batches, 100 in 5 epochs

    monkeypatch.chdir(tmp_path)
    for day in (20260105, 20260106):
        shard = tmp_path / f"output_model/{day}/0/000/part-000-00000"
        shard.parent.mkdir(parents=True)
        numbers = np.random.default_rng(day).normal(size=(60, 9)).round(4).tolist()
        # slot, unseen_days, delta_score, show, click, embed_w, its g2sum, embedx, its g2sum
        lines = [
            f"{2**63 + i} 101 0 1 {90 - i} 9 {w} 0.5 {' '.join(map(str, x))} 0.5" for i, (w, *x) in enumerate(numbers)
        ]
        shard.write_text("\n".join(lines) + "\n")
    Path("output_model/accessor.yaml").write_text("accessor_class: SparseAccessor\nembedx_dim: 8\n")
    Path("names.tsv").write_text(f"{2**63}\t手机\n", "utf-8")
    Path("vocab.txt").write_text("\n".join(words) + "\n", "utf-8")
    paddle.seed(0)
    model = paddle.Model(Bag())
    optimizer = paddle.optimizer.Adam(0.01, parameters=model.parameters())
    model.prepare(optimizer, paddle.nn.CrossEntropyLoss(), paddle.metric.Accuracy())
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(200, 12)).astype(np.float32)
    later = vectors + rng.normal(scale=0.1, size=vectors.shape).astype(np.float32)
    return {"model": model, "data": Sentences(), "vectors": vectors, "later": later}


def test_the_examples_of_the_guide_run_and_give_what_they_promise(session: dict[str, Any]) -> None:
    checked = 0
    for block in blocks("docs/guide.md", "python"):
        for node, value in promised(block):
            if isinstance(node, ast.Expr):
                found = eval(compile(ast.Expression(node.value), "docs/guide.md", "eval"), session)
                if value is not ...:
                    checked += 1
                    assert found == value, ast.unparse(node)
            else:
                exec(compile(ast.Module([node], []), "docs/guide.md", "exec"), session)
    assert checked >= 10
    assert session["second"].previous_step == 0
    assert session["doubtful"]
    assert len(session["nearest"]) == 15
