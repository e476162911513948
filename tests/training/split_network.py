"""Two ranks with a probe: rank 0 alone runs a whole network, and all refuse one whose table they share."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import paddle
from launching import write_result
from paddle.distributed import fleet

from visualdl_embedding import EmbeddingMonitor, Probe

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    strategy = fleet.DistributedStrategy()
    strategy.hybrid_configs = {"dp_degree": 1, "mp_degree": 2, "pp_degree": 1}
    fleet.init(is_collective=True, strategy=strategy)
    probes = {"words": Probe(np.arange(8) % 4)}
    whole = paddle.nn.Sequential(paddle.nn.Embedding(20, 4), paddle.nn.Linear(4, 3))
    with EmbeddingMonitor(whole, folder / "run", probes=probes, methods=(), every_n_steps=1) as monitor:
        monitor.step()
    said = ""
    try:
        split = paddle.nn.Sequential(fleet.meta_parallel.VocabParallelEmbedding(20, 4))
        EmbeddingMonitor(split, folder / "split", tables=(), probes=probes).__enter__()
    except ValueError as error:
        said = str(error)
    write_result(folder, paddle.distributed.get_rank(), {"said": said})
