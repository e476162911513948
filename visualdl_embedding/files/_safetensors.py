"""Tensors of a safetensors file, not loaded."""

from __future__ import annotations

from pathlib import Path

from visualdl_embedding.core.safetensors_format import LayoutError, TensorPlace, read_layout
from visualdl_embedding.files._bytes import FileBytes
from visualdl_embedding.files._errors import UnreadableModelError
from visualdl_embedding.files._matrix import FLOATS, DenseRows, Tensor

__all__ = ["read_safetensors"]


def read_safetensors(path: Path) -> list[Tensor]:
    """Find the tensors of a file.

    Tensors of a type younger than this reader are listed and left alone.

    Raises
    ------
    UnreadableModelError
        If the header is damaged, or the tensors do not lie in the file as it says.
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
