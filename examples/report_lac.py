"""Report on a real table: LAC's words from jieba, with frequency and part of speech from jieba's dictionary.

python examples/report_lac.py [FOLDER]
"""

import sys
from importlib.resources import files

from visualdl_embedding import report

jieba = files("jieba")
model, words, dictionary = (jieba / name for name in ("lac_small/model_baseline", "lac_small/word.dic", "dict.txt"))

frequency, part_of_speech = {}, {}
labels = {line.split("\t")[1] for line in words.read_text("utf-8").splitlines() if "\t" in line}
for line in dictionary.read_text("utf-8").splitlines():
    word, count, tag = line.split(" ")
    if word in labels:
        frequency[word], part_of_speech[word] = count, tag

made = report(
    str(model),
    vocabulary=str(words),
    metadata={"frequency": frequency, "part of speech": part_of_speech},
    rows=500,
    methods=("pca", "tsne"),
    color="part of speech",
)
print(made)
for finding in made.findings:
    print(f"- {finding.title}: {finding.evidence}")
print(made.write(sys.argv[1] if len(sys.argv) > 1 else "vis_results")[0])
