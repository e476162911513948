"""Forward pass of a network beside its training, which leaves the network as it was."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from visualdl_embedding.core.suggest import did_you_mean

if TYPE_CHECKING:
    import paddle

__all__ = ["capture", "is_split", "undisturbed"]

_SPLIT = {"GroupShardedStage3", "PipelineLayer", "PipelineParallel"}
"""Classes of Paddle that communicate in a forward pass, without parameters that are marked as distributed."""


def is_split(network: paddle.nn.Layer) -> bool:
    """Whether several processes hold parts of the network's layers, so that one of them cannot run it alone."""
    import paddle

    if paddle.distributed.get_world_size() < 2:
        return False
    if any(type(layer).__name__ in _SPLIT for layer in network.sublayers(include_self=True)):
        return True
    return any(getattr(p, "is_distributed", False) or p.is_dist() for p in network.parameters())


def capture(network: paddle.nn.Layer, name: str, call: Callable[[], Any]) -> Any:
    """Return the output of the layer `name` (``""``: the network) in `call`, which runs the network once.

    Raises
    ------
    ValueError
        If there is no such layer, or it is not called exactly once.
    """
    layers = dict(network.named_sublayers(include_self=True))
    if name not in layers:
        raise ValueError(
            f"{type(network).__name__} has no layer {name!r}; {did_you_mean(name, [n for n in layers if n], limit=3)}"
        )
    outputs: list[Any] = []
    # The hook returns None, because any other value would replace the layer's output.
    handle = layers[name].register_forward_post_hook(lambda layer, inputs, output: outputs.append(output))
    try:
        call()
    finally:
        handle.remove()
    if len(outputs) != 1:
        raise ValueError(
            f"the layer {name!r} is called {len(outputs)} times in a forward pass, and must be called once. Choose "
            "another layer, or give a function layer=lambda network, inputs: … that returns the tensor."
        )
    return outputs[0]


@contextlib.contextmanager
def undisturbed(network: paddle.nn.Layer) -> Iterator[None]:
    """Set evaluation mode without gradients, autocast and ``to_static``, and restore everything bit for bit.

    This includes the mode of each sublayer, the random generators of Paddle, NumPy and Python, the buffers, and the
    running statistics of a ``BatchNorm`` that updates them also in evaluation mode.

    Raises
    ------
    ValueError
        If another parameter was changed; restoring would require a copy of all weights.
    """
    import paddle
    from paddle.jit.dy2static.program_translator import ProgramTranslator

    layers = network.sublayers(include_self=True)
    modes = [layer.training for layer in layers]
    # Paddle 3.0 raises an AttributeError for get_rng_state("cpu").
    of_device, of_cpu = paddle.get_rng_state(), paddle.base.core.default_cpu_generator()
    of_cpu_before = of_cpu.get_state()
    of_numpy, of_python = np.random.get_state(), random.getstate()  # noqa: NPY002  the state that networks may use
    versions = [(name, weight, weight.inplace_version) for name, weight in network.named_parameters()]
    # Paddle holds the statistics of a BatchNorm as vectors that are not trained.
    small = [weight for _, weight, _ in versions if weight.stop_gradient and weight.ndim < 2]
    compiles = ProgramTranslator.get_instance().enable_to_static
    # Autocast would also change the type of a copy.
    with paddle.no_grad(), paddle.amp.auto_cast(enable=False):
        buffers = [(layer, dict(layer._buffers)) for layer in layers if layer._buffers]
        held = (*(b for _, named in buffers for b in named.values() if b is not None), *small)
        copies = [(tensor, tensor.clone()) for tensor in held]
        try:
            # Not `network.eval()`: layers may override it, as LoRA layers that merge their weights do.
            for layer in layers:
                layer.training = False
            # A compiled network calls no hooks of its layers.
            paddle.jit.enable_to_static(False)
            yield
        finally:
            paddle.jit.enable_to_static(compiles)
            for layer, mode in zip(layers, modes, strict=True):
                layer.training = mode
            paddle.set_rng_state(of_device)
            of_cpu.set_state(of_cpu_before)
            np.random.set_state(of_numpy)  # noqa: NPY002
            random.setstate(of_python)
            changed = [name for name, weight, version in versions if weight.inplace_version != version]
            for layer, named in buffers:
                layer._buffers.update(named)
            for tensor, copy in copies:
                # Write only what differs: a write invalidates a forward pass whose backward pass is still to come.
                if not np.array_equal(tensor.numpy(), copy.numpy()):
                    paddle.assign(copy, tensor)
    if changed:
        raise ValueError(
            f"the forward pass changes {changed[0]!r} also in evaluation mode, as an nn.Embedding with max_norm does, "
            "and a probe must not change the training. Probe a part of the network without this layer, by a function "
            "layer=lambda network, inputs: …."
        )
