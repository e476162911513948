"""Wire format of Protocol Buffers, limited to what Paddle's descriptions use.

Format: https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["fields", "repeated_numbers", "signed"]


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            break
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, at
    raise ValueError("a number is cut off")


def fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Split a message into its fields.

    Yields
    ------
    The number and value of each field: an unsigned int, or the bytes of a string, message or fixed-width number.

    Raises
    ------
    ValueError
        If it is not a message, or a field ends beyond it.

    >>> [(number, value) for number, value in fields(memoryview(bytes([8, 5, 16, 0x80, 1])))]
    [(1, 5), (2, 128)]
    """
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        if number == 0:
            raise ValueError("a field has the number 0")
        if wire == 0:
            value, at = _varint(data, at)
            yield number, value
            continue
        if wire == 2:
            size, at = _varint(data, at)
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
        else:
            raise ValueError(f"a field has the unknown wire type {wire}")
        if size > len(data) - at:
            raise ValueError("a field ends beyond its message")
        yield number, data[at : at + size]
        at += size


def repeated_numbers(value: int | memoryview) -> list[int]:
    """Values of a repeated number, packed or not."""
    if isinstance(value, int):
        return [value]
    found, at = [], 0
    while at < len(value):
        number, at = _varint(value, at)
        found.append(number)
    return found


def signed(value: int) -> int:
    """Reinterpret an unsigned 64-bit number as signed.

    >>> signed(2**64 - 1)
    -1
    """
    return value - 2**64 if value >= 2**63 else value
