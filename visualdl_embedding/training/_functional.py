"""Hooks on calls of ``paddle.nn.functional.embedding``."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ClassVar

__all__ = ["FunctionalHook"]


class FunctionalHook:
    """Hook on calls of ``paddle.nn.functional.embedding`` with one tensor as weight, until `remove`.

    While there is a hook, the attribute ``paddle.nn.functional.embedding`` is a wrapper. Code that has imported the
    function itself is not seen.

    Parameters
    ----------
    weight
        Tensor.
    action
        Called with the ids, ``padding_idx`` or None, and the output.
    """

    _by_weight: ClassVar[dict[int, list[FunctionalHook]]] = {}
    _wrapper: ClassVar[Any] = None
    """Wrapper in place, possibly called by another patch."""

    def __init__(self, weight: Any, action: Callable[[Any, int | None, Any], None]) -> None:
        import paddle

        self.weight = weight  # as long as it lives, its id is its own
        self._action = action
        self._by_weight.setdefault(id(weight), []).append(self)
        now = paddle.nn.functional.embedding
        if self._wrapper is None or self._wrapper.__wrapped__ is now:
            FunctionalHook._wrapper = staticmethod(_wrap(now, self._by_weight))
            paddle.nn.functional.embedding = self._wrapper

    def remove(self) -> None:
        """Remove the hook, and with the last one the wrapper."""
        import paddle

        hooks = self._by_weight.get(id(self.weight), [])
        if self in hooks:
            hooks.remove(self)
            if not hooks:
                del self._by_weight[id(self.weight)]
        if not self._by_weight and paddle.nn.functional.embedding is self._wrapper:
            paddle.nn.functional.embedding = self._wrapper.__wrapped__
            FunctionalHook._wrapper = None


def _wrap(original: Any, by_weight: dict[int, list[FunctionalHook]]) -> Any:
    # The name of Paddle's module, which `wraps` copies, makes to_static treat the wrapper as Paddle's function.
    @functools.wraps(original)
    def embedding(*args: Any, **kwargs: Any) -> Any:
        output = original(*args, **kwargs)
        weight = args[1] if len(args) > 1 else kwargs.get("weight")
        if id(weight) in by_weight:
            ids = args[0] if args else kwargs["x"] if "x" in kwargs else kwargs["input"]
            padding_idx = args[2] if len(args) > 2 else kwargs.get("padding_idx")
            for hook in by_weight[id(weight)]:
                hook._action(ids, padding_idx, output)
        return output

    return embedding
