"""Reader of safetensors files."""

from __future__ import annotations

from pathlib import Path

from visualdl_embedding.core.safetensors_format import LayoutError, TensorPlace, read_layout
from visualdl_embedding.errors import UnreadableModelError
from visualdl_embedding.files._bytes import FileBytes
from visualdl_embedding.files._matrix import FLOATS, DenseRows, Tensor

__all__ = ["read_safetensors"]


def read_safetensors(path: Path) -> list[Tensor]:
    """List the tensors of a file without loading them.

    Tensors of an unknown type are listed, but cannot be read.

    Raises
    ------
    UnreadableModelError
        If the header is damaged, or does not match the file.
    """
    try:
        with open(path, "rb") as file:
            layout = read_layout(file)
    except LayoutError as error:
        raise UnreadableModelError(path, str(error)) from None
    return [_tensor(name, place, path) for name, place in layout.places.items()]


def _tensor(name: str, place: TensorPlace, path: Path) -> Tensor:
    reader = None
    if len(place.shape) == 2 and place.dtype in FLOATS and place.known:
        num_rows, dim = place.shape
        reader = DenseRows(FileBytes(path, place.start, place.stop - place.start), (num_rows, dim), place.dtype)
    return Tensor(name, place.shape, place.dtype, path, reader)
