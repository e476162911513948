"""A tiny ERNIE that PaddleNLP itself made and saved, opened and reported by this library.

    python tests/trainers/paddlenlp_ernie.py --output DIR [--environment DIR]

PaddleNLP runs in the environment of `trainer_environments`. Only the model crosses over, the folder that
``save_pretrained`` wrote; it is opened by the Python that runs this script, where this library is installed.
``--environment`` keeps the virtual environment there for the next time; without it, it is removed at the end. Where
PaddleNLP cannot be installed, the script says what failed and ends with status 2; with status 1 where the report is not
what it should be.

The weights are random, the vocabulary is not: the special tokens of ERNIE, then the single characters of jieba's
dictionary by their frequency, and pieces that continue a word. The network does not train.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from importlib.resources import files
from pathlib import Path

import numpy as np
from trainer_environments import CommandFailed, make_environment, run

SPECIAL = ("[PAD]", "[CLS]", "[SEP]", "[MASK]", "[UNK]")
CHARACTERS = 3_000
PIECES = 200
DIM = 32
SENTENCE = "今天股市大涨，心情很高兴"

MAKE = f"""
import json, sys
import numpy as np, paddle
from paddlenlp.transformers import ErnieConfig, ErnieForSequenceClassification, ErnieTokenizer

vocabulary, folder = sys.argv[1:]
paddle.seed(0)
tokenizer = ErnieTokenizer(vocabulary)
model = ErnieForSequenceClassification(ErnieConfig(
    vocab_size=tokenizer.vocab_size, hidden_size={DIM}, num_hidden_layers=2, num_attention_heads=2,
    intermediate_size=64, max_position_embeddings=64))
model.eval()
ids = tokenizer({SENTENCE!r})["input_ids"]
model(paddle.to_tensor([ids]))
model.save_pretrained(folder + "/model")
tokenizer.save_pretrained(folder + "/model")
np.save(folder + "/table.npy", model.ernie.embeddings.word_embeddings.weight.numpy())
tokens = tokenizer.convert_ids_to_tokens(ids)
with open(folder + "/sentence.json", "w", encoding="utf-8") as file:
    json.dump({{"ids": [int(i) for i in ids], "tokens": tokens}}, file)
"""


class Failed(Exception):
    """Ends the script with a sentence and a status."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


def vocabulary() -> list[str]:
    """Special tokens, digits and letters, the most frequent characters of Chinese, and pieces that continue a word."""
    counts: Counter[str] = Counter()
    for line in (files("jieba") / "dict.txt").read_text("utf-8").splitlines():
        word, frequency, _ = line.split(" ")
        for character in word:
            if "\u4e00" <= character <= "\u9fff":
                counts[character] += int(frequency)
    characters = [character for character, _ in counts.most_common(CHARACTERS)]
    punctuation = list("，。！？、；：“”（）《》")
    latin = list("0123456789abcdefghijklmnopqrstuvwxyz")
    return [*SPECIAL, *punctuation, *characters, *latin, *(f"##{character}" for character in characters[:PIECES])]


def environment(folder: Path) -> Path:
    try:
        return make_environment("paddlenlp", folder)
    except CommandFailed as error:
        raise Failed(f"Installing PaddleNLP failed: {error}", 2) from None


def make_model(python: Path, folder: Path) -> Path:
    """Let PaddleNLP make and save the model; return its folder."""
    print("Making the model …", flush=True)
    (folder / "vocab.txt").write_text("\n".join(vocabulary()) + "\n", "utf-8")
    try:
        run([python, "-c", MAKE, folder / "vocab.txt", folder])
    except CommandFailed as error:
        raise Failed(f"Making an ERNIE with PaddleNLP failed: {error}", 2) from None
    return folder / "model"


def expect(fulfilled: bool, message: str) -> None:
    if not fulfilled:
        raise Failed(f"Not as it should be: {message}", 1)


def look(model: Path, output: Path) -> None:
    """Open the model with this library, compare with what PaddleNLP says, and write the report."""
    from visualdl_embedding.files import choose_table, open_tables
    from visualdl_embedding.reports import report
    from visualdl_embedding.vocabulary import open_vocabulary

    print(f"{model.name} holds: {', '.join(sorted(file.name for file in model.iterdir()))}")
    tables = open_tables(model)
    for stored in tables:
        print(f"  {stored}: {stored.evidence}, priority {stored.priority}")
    words = choose_table(tables)
    expected = np.load(model.parent / "table.npy")
    expect(words.table.name == "ernie.embeddings.word_embeddings", f"the table chosen is {words.table.name!r}")
    expect(np.array_equal(words.read_rows(np.arange(len(expected))), expected), "values differ from PaddleNLP's own")
    expect(words.vocabulary == model / "vocab.txt", f"the vocabulary found is {words.vocabulary}")
    labels = open_vocabulary(words.vocabulary, num_rows=words.table.num_rows).labels
    sentence = json.loads((model.parent / "sentence.json").read_text("utf-8"))
    read = [labels[i] for i in sentence["ids"]]
    expect(read == sentence["tokens"], f"ids of {SENTENCE!r} mean {read}, and {sentence['tokens']} to PaddleNLP")

    made = report(model, rows=500, methods=("pca", "tsne", "umap"), watch=["涨", "高", "兴"])
    written = made.write(output, overwrite=True)
    shown = made.snapshot.rows.labels
    special = [label for label in shown if label in SPECIAL or label.startswith("##")]
    expect(not special, f"special tokens or pieces are among the rows: {special[:5]}")
    expect({"涨", "高", "兴"} <= set(shown), "watched characters are missing")
    expect(len(shown) >= 500, f"{len(shown)} rows are shown")
    expect(all(file.stat().st_size for file in written), "a file of the report is empty")
    trust = {view.key: round(view.numbers["trustworthiness"], 3) for view in made.views}
    print(f"Report of {len(shown)} rows in {output}: {', '.join(file.name for file in written)}")
    print(f"Trustworthiness: {trust}")
    for finding in made.findings:
        print(f"  {finding.title}")
    for note in made.notes:
        print(f"  Note: {note}")


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--output", type=Path, required=True, metavar="DIR", help="where the report goes")
    options.add_argument("--environment", type=Path, metavar="DIR", help="keep the virtual environment there")
    arguments = options.parse_args()
    with tempfile.TemporaryDirectory() as work:
        try:
            python = environment(arguments.environment or Path(work, "environment"))
            look(make_model(python, Path(work)), arguments.output)
        except Failed as error:
            print(error, file=sys.stderr)
            return error.status
    return 0


if __name__ == "__main__":
    sys.exit(main())
