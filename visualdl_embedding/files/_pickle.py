"""Pickle reader that runs no code from the file.

`pickle.load` calls whatever a file names, and paddle.load is `pickle.load`. This module interprets the opcodes itself.
It rejects names that are not in `BUILDERS`, builds plain descriptions for the others, and imports no module. It skips
buffers, so a file of 488 MB takes milliseconds. Limits on the number of opcodes and on the bytes kept bound the memory
that a hostile file can use.
Opcodes: Lib/pickletools.py of CPython, and PEP 307, 3154, 574.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from visualdl_embedding.errors import UnreadableModelError
from visualdl_embedding.files._bytes import check_range, read_exactly
from visualdl_embedding.files._pickle_names import BUILDERS, Array, DType, Global, Span, fill

__all__ = ["read_pickle"]

_MAX_INSTRUCTIONS = 2_000_000
"""Maximum number of opcodes. A checkpoint takes about 25 per tensor; each may create an object of some 100 bytes."""
_MAX_KEPT = 64 * 2**20
_KEEP_BYTES = 256
_KEEP_TEXT = 4096


_CONSTANTS = {0x4E: None, 0x88: True, 0x89: False}
_NUMBERS = {0x4B: "<B", 0x4D: "<H", 0x4A: "<i", 0x47: ">d"}
_SIZED = {
    0x43: ("<B", "bytes"), 0x42: ("<I", "bytes"), 0x8E: ("<Q", "bytes"), 0x96: ("<Q", "bytes"),
    0x55: ("<B", "old"), 0x54: ("<i", "old"),
    0x8C: ("<B", "text"), 0x58: ("<I", "text"), 0x8D: ("<Q", "text"),
}  # fmt: skip
"""Size format and content type of each opcode; "old" is a `str` of Python 2."""
_TUPLES = {0x29: 0, 0x85: 1, 0x86: 2, 0x87: 3}
_MEMO_PUT = {0x71: "<B", 0x72: "<I"}
_MEMO_GET = {0x68: "<B", 0x6A: "<I"}


def read_pickle(path: Path) -> Any:
    """Parse a pickle without loading buffers or running code.

    Returns
    -------
    Dicts, lists, tuples, strings, numbers, and `Array` for arrays. They may share parts or contain themselves.

    Raises
    ------
    UnreadableModelError
        If the file is not a complete pickle, or uses a name that is not part of a tensor; the message has that name.
    """
    with open(path, "rb") as file:
        machine = _Machine(file, path)
        try:
            return machine.run()
        except UnreadableModelError:
            raise
        # Raised on malformed opcodes: an empty stack, a value of the wrong type, undecodable text.
        except (LookupError, TypeError, ValueError, AttributeError, struct.error) as error:
            reason = f"it is a malformed pickle (near byte {file.tell():,}: {error})"
            raise UnreadableModelError(path, reason) from error


class _Machine:
    """Stack, marks and memo of an unpickler."""

    def __init__(self, file: IO[bytes], path: Path) -> None:
        self._file = file
        self._path = path
        self._size = os.fstat(file.fileno()).st_size
        self._stack: list[Any] = []
        self._marks: list[list[Any]] = []
        self._memo: dict[int, Any] = {}
        self._kept = 0

    def run(self) -> Any:
        if self._size == 0:
            raise UnreadableModelError(self._path, "it is empty; a pickle was expected")
        for _ in range(_MAX_INSTRUCTIONS):
            if (code := self._file.read(1)) == b"":
                raise UnreadableModelError(self._path, "it is cut off: its pickle has no STOP opcode")
            if code == b".":
                return self._stack.pop()
            self._step(code[0])
        raise UnreadableModelError(self._path, f"its pickle has more than {_MAX_INSTRUCTIONS:,} opcodes")

    def _step(self, code: int) -> None:
        stack = self._stack
        if code in _CONSTANTS:
            stack.append(_CONSTANTS[code])
        elif code in _NUMBERS:
            stack.append(self._number(_NUMBERS[code]))
        elif code in _SIZED:
            stack.append(self._sized(*_SIZED[code]))
        elif code in _TUPLES:
            count = _TUPLES[code]
            items = tuple(stack[len(stack) - count :])
            if len(items) != count:
                raise IndexError("the stack is empty")
            del stack[len(stack) - count :]
            stack.append(items)
        elif code in _MEMO_PUT:
            self._memo[self._number(_MEMO_PUT[code])] = stack[-1]
        elif code in _MEMO_GET:
            stack.append(self._memo[self._number(_MEMO_GET[code])])
        elif code in _OTHERS:
            _OTHERS[code](self)
        else:
            raise UnreadableModelError(
                self._path,
                f"its byte {self._file.tell() - 1:,} ({code:#04x}) is not an opcode of a pickle of tensors",
            )

    def _number(self, form: str) -> Any:
        return struct.unpack(form, read_exactly(self._file, struct.calcsize(form), self._path))[0]

    def _line(self) -> str:
        line = self._file.readline(_KEEP_TEXT)
        if not line.endswith(b"\n"):
            raise UnreadableModelError(self._path, f"it is cut off, or damaged, at byte {self._file.tell():,}")
        self._keep(len(line))
        return line[:-1].decode("utf-8", "backslashreplace")

    def _keep(self, size: int) -> None:
        self._kept += size
        if self._kept > _MAX_KEPT:
            raise UnreadableModelError(
                self._path, f"it holds more than {_MAX_KEPT:,} bytes of text besides its tensors"
            )

    def _sized(self, form: str, kind: str) -> Any:
        size = self._number(form)
        offset = self._file.tell()
        check_range(self._path, offset, size)
        if size > (_KEEP_BYTES if kind == "bytes" else _KEEP_TEXT):
            self._file.seek(offset + size)
            return Span(offset, size, text=kind == "text")
        self._keep(size)
        data = read_exactly(self._file, size, self._path)
        if kind == "bytes":
            return data
        return data.decode("utf-8", "surrogatepass") if kind == "text" else data.decode("latin-1")

    def _pop_mark(self) -> list[Any]:
        items, self._stack = self._stack, self._marks.pop()
        return items

    def mark(self) -> None:
        self._marks.append(self._stack)
        self._stack = []

    def pop(self) -> None:
        if self._stack:
            self._stack.pop()
        else:
            self._pop_mark()

    def pop_mark(self) -> None:
        self._pop_mark()

    def duplicate(self) -> None:
        self._stack.append(self._stack[-1])

    def protocol(self) -> None:
        if (number := self._number("<B")) > 5:
            raise UnreadableModelError(self._path, f"it has pickle protocol {number}; supported are 0 to 5")

    def frame(self) -> None:
        # A frame only gives the size of the next read; its contents follow in the same file.
        self._number("<Q")

    def memoize(self) -> None:
        self._memo[len(self._memo)] = self._stack[-1]

    def put_line(self) -> None:
        self._memo[int(self._line()[:20])] = self._stack[-1]

    def get_line(self) -> None:
        self._stack.append(self._memo[int(self._line()[:20])])

    def int_line(self) -> None:
        text = self._line().removesuffix("L")
        self._stack.append({"00": False, "01": True}.get(text) if text in ("00", "01") else int(text[:40]))

    def float_line(self) -> None:
        self._stack.append(float(self._line()))

    def text_line(self) -> None:
        self._stack.append(self._line().strip("'\""))

    def long(self) -> None:
        self._long(self._number("<B"))

    def long4(self) -> None:
        self._long(self._number("<i"))

    def _long(self, size: int) -> None:
        if not 0 <= size <= 64:
            raise ValueError(f"an integer of {size} bytes")
        self._stack.append(int.from_bytes(read_exactly(self._file, size, self._path), "little", signed=True))

    def empty_list(self) -> None:
        self._stack.append([])

    def empty_dict(self) -> None:
        self._stack.append({})

    def tuple_from_mark(self) -> None:
        items = self._pop_mark()
        self._stack.append(tuple(items))

    def list_from_mark(self) -> None:
        items = self._pop_mark()
        self._stack.append(items)

    def dict_from_mark(self) -> None:
        items = self._pop_mark()
        self._stack.append({})
        self._fill(items)

    def append(self) -> None:
        item = self._stack.pop()
        self._list().append(item)

    def extend(self) -> None:
        items = self._pop_mark()
        self._list().extend(items)

    def _list(self) -> list[Any]:
        if type(target := self._stack[-1]) is not list:
            raise TypeError("items for an object that is not a list")
        return target

    def set_item(self) -> None:
        value, key = self._stack.pop(), self._stack.pop()
        self._fill([key, value])

    def set_items(self) -> None:
        self._fill(self._pop_mark())

    def _fill(self, items: list[Any]) -> None:
        if type(target := self._stack[-1]) is not dict or len(items) % 2:
            raise TypeError("items for an object that is not a dict")
        fill(target, zip(items[::2], items[1::2], strict=True))

    def global_line(self) -> None:
        module = self._line()
        self._name(module, self._line())

    def global_from_stack(self) -> None:
        name, module = self._stack.pop(), self._stack.pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise TypeError("a name that is not text")
        self._name(module, name)

    def instance(self) -> None:
        module = self._line()
        raise self._refusal(Global(module, self._line()))

    def extension(self) -> None:
        raise self._refusal("a name from the extension registry")

    def persistent(self) -> None:
        raise self._refusal("an object from outside the file (as PyTorch's files do)")

    def new_object(self) -> None:
        near = [item for item in (*self._stack[:1], *self._stack[-3:]) if isinstance(item, Global)]
        raise self._refusal(near[-1] if near else "an object")

    def _name(self, module: str, name: str) -> None:
        if (module, name) not in BUILDERS:
            raise self._refusal(Global(module, name))
        self._stack.append(Global(module, name))

    def reduce(self) -> None:
        arguments, named = self._stack.pop(), self._stack.pop()
        if not isinstance(named, Global) or not isinstance(arguments, tuple):
            raise TypeError("a call of an object that is not callable")
        builder = BUILDERS[named.module, named.name]
        if builder is None:
            raise self._refusal(named)
        try:
            self._stack.append(builder(*arguments))
        except PermissionError:
            raise self._refusal(named) from None

    def build(self) -> None:
        state, target = self._stack.pop(), self._stack[-1]
        if isinstance(target, Array) and isinstance(state, tuple) and len(state) in (4, 5):
            target.shape, target.dtype, fortran, target.data = state[-4:]
            target.fortran = bool(fortran)
        elif isinstance(target, DType) and isinstance(state, tuple) and len(state) >= 2:
            target.order = state[1]
        else:
            raise TypeError("a state for an object that has none")

    def _refusal(self, named: object) -> UnreadableModelError:
        return UnreadableModelError(
            self._path,
            f"it asks for {ascii(str(named))[1:-1]}, which is not part of a tensor: pickle and paddle.load would "
            "call it",
            advice="No code was run. Ask the author for the weights alone "
            "(paddle.save(model.state_dict(), path)) or for a safetensors file",
        )


_OTHERS: dict[int, Callable[[_Machine], None]] = {
    ord("("): _Machine.mark, ord("0"): _Machine.pop, ord("1"): _Machine.pop_mark, ord("2"): _Machine.duplicate,
    0x80: _Machine.protocol, 0x95: _Machine.frame, 0x94: _Machine.memoize, ord("p"): _Machine.put_line,
    ord("g"): _Machine.get_line, ord("I"): _Machine.int_line, ord("L"): _Machine.int_line,
    ord("F"): _Machine.float_line, ord("S"): _Machine.text_line, ord("V"): _Machine.text_line, 0x8A: _Machine.long,
    0x8B: _Machine.long4, ord("]"): _Machine.empty_list, 0x8F: _Machine.empty_list, ord("}"): _Machine.empty_dict,
    ord("t"): _Machine.tuple_from_mark, 0x91: _Machine.tuple_from_mark, ord("l"): _Machine.list_from_mark,
    ord("d"): _Machine.dict_from_mark, ord("a"): _Machine.append, ord("e"): _Machine.extend, 0x90: _Machine.extend,
    ord("s"): _Machine.set_item, ord("u"): _Machine.set_items, ord("c"): _Machine.global_line,
    0x93: _Machine.global_from_stack, ord("i"): _Machine.instance, ord("o"): _Machine.new_object,
    0x81: _Machine.new_object, 0x92: _Machine.new_object, ord("R"): _Machine.reduce, ord("b"): _Machine.build,
    ord("P"): _Machine.persistent, ord("Q"): _Machine.persistent, 0x82: _Machine.extension,
    0x83: _Machine.extension, 0x84: _Machine.extension, 0x97: _Machine.persistent, 0x98: _Machine.persistent,
}  # fmt: skip
