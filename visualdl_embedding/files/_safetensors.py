"""Reader of safetensors files."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from visualdl_embedding.core.safetensors_format import LayoutError, read_layout
from visualdl_embedding.errors import UnreadableModelError
from visualdl_embedding.files._bytes import file_bytes
from visualdl_embedding.files._matrix import Tensor, tensor

__all__ = ["read_safetensors"]


def read_safetensors(path: Path) -> list[Tensor]:
    """List the tensors of a file. Those of an unknown type are listed, but cannot be read."""
    try:
        with open(path, "rb") as file:
            layout = read_layout(file)
    except LayoutError as error:
        raise UnreadableModelError(path, str(error)) from None
    return [
        tensor(name, place.shape, place.dtype, path=path, source=partial(file_bytes, path, place.start))
        if place.known
        else Tensor(name, place.shape, place.dtype, path)
        for name, place in layout.places.items()
    ]
