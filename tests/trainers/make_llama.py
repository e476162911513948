"""Write what the command line of PaddleFormers needs: `model`, a tiny Llama without weights, and `train.jsonl`.

    python tests/trainers/make_llama.py OUTPUT_DIR

Runs in the environment of PaddleFormers.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

SPECIAL = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}
WORDS = ["高兴", "讽刺", *(f"w{i}" for i in range(494))]
CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "vocab_size": len(SPECIAL) + len(WORDS),
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
    "fuse_rms_norm": False,
}


def main(output: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(
        models.WordLevel({token: i for i, token in enumerate([*SPECIAL.values(), *WORDS])}, unk_token="<unk>")
    )
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=made, **SPECIAL)
    tokenizer.chat_template = "{% for m in messages %}{{ m['role'] }} {{ m['content'] }} {% endfor %}"
    tokenizer.save_pretrained(output / "model")
    (output / "model" / "config.json").write_text(json.dumps(CONFIG), "utf-8")
    random = np.random.default_rng(0)
    with open(output / "train.jsonl", "w", encoding="utf-8") as file:
        for _ in range(64):
            question, answer = (" ".join(random.choice(WORDS, 8)) for _ in range(2))
            messages = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
            file.write(json.dumps({"messages": messages}, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
