"""Pickle reader that runs no code from the file.

`pickle.load` calls whatever a file names, and paddle.load is `pickle.load`. This module interprets the opcodes itself.
It rejects names that are not in `BUILDERS`, builds plain descriptions for the others, and imports no module. It skips
buffers, so a file of 488 MB takes milliseconds. Limits on the number of opcodes and on the bytes kept bound the memory
that a hostile file can use.
Opcodes: Lib/pickletools.py of CPython, and PEP 307, 3154, 574.
"""

from __future__ import annotations

import os
import pickle
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from visualdl_embedding.errors import UnreadableModelError
from visualdl_embedding.files._bytes import check_range, read_exactly

__all__ = ["Array", "DType", "Span", "read_pickle"]

_MAX_INSTRUCTIONS = 2_000_000
"""Maximum number of opcodes. A checkpoint takes about 25 per tensor; each may create an object of some 100 bytes."""
_MAX_KEPT = 64 * 2**20
_KEEP_BYTES = 256
_KEEP_TEXT = 4096

_NUMBERS = {pickle.BININT1: "<B", pickle.BININT2: "<H", pickle.BININT: "<i", pickle.BINFLOAT: ">d"}
_SIZED = {
    pickle.SHORT_BINBYTES: ("<B", "bytes"), pickle.BINBYTES: ("<I", "bytes"), pickle.BINBYTES8: ("<Q", "bytes"),
    pickle.BYTEARRAY8: ("<Q", "bytes"), pickle.SHORT_BINSTRING: ("<B", "old"), pickle.BINSTRING: ("<i", "old"),
    pickle.SHORT_BINUNICODE: ("<B", "text"), pickle.BINUNICODE: ("<I", "text"), pickle.BINUNICODE8: ("<Q", "text"),
}  # fmt: skip
"""Size format and content type of each opcode; "old" is a `str` of Python 2."""
_TUPLES = (pickle.EMPTY_TUPLE, pickle.TUPLE1, pickle.TUPLE2, pickle.TUPLE3)


@dataclass(frozen=True, slots=True)
class Span:
    """Skipped bytes of the file; `text` if they are UTF-8 text."""

    offset: int
    size: int
    text: bool = False


@dataclass(slots=True)
class DType:
    """NumPy type: its code (``"f4"``) and byte order."""

    code: str
    order: str = "<"


@dataclass(slots=True)
class Array:
    """NumPy array, not loaded; `shape` is None until the pickle sets it."""

    shape: Any = None
    dtype: Any = None
    fortran: bool = False
    data: Any = None


@dataclass(frozen=True, slots=True)
class Global:
    """Global name in a pickle: a module and an attribute."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"[:200]


def _encode(text: Any, encoding: Any) -> Any:
    if encoding != "latin1":
        raise ValueError("bytes in an encoding other than latin1")
    if isinstance(text, Span) and text.text:
        return text
    if isinstance(text, str):
        return text.encode("latin-1")
    raise TypeError("no text to encode")


def fill(target: dict[Any, Any], pairs: Iterable[tuple[Any, Any]]) -> dict[Any, Any]:
    """Add key-value pairs to a dict, except those with a container as key."""
    for key, value in pairs:
        # Hashing a tuple that contains itself many times takes exponential time, and no tensor has such a name.
        if isinstance(key, str | int | float | bytes | None):
            target[key] = value
    return target


def _data_of_eval(*arguments: Any) -> Any:
    """Read a DenseTensor, which Paddle pickles as ``eval("data", {"data": array})``. Reject other expressions."""
    source, names = arguments if len(arguments) == 2 else ("", None)
    if source == "data" and isinstance(names, dict) and list(names) == ["data"] and isinstance(names["data"], Array):
        return names["data"]
    raise PermissionError


_NUMPY = ("numpy", "numpy.core.multiarray", "numpy._core.multiarray", "numpy.core.numeric", "numpy._core.numeric")
_BUILTINS = ("builtins", "__builtin__")

BUILDERS: dict[tuple[str, str], Callable[..., Any] | None] = {
    ("numpy", "ndarray"): None,
    ("numpy", "dtype"): lambda code, *_: DType(code),
    ("_codecs", "encode"): _encode,
    ("collections", "OrderedDict"): lambda pairs=(): fill({}, pairs),
    **{(module, "_reconstruct"): lambda *_: Array() for module in _NUMPY},
    **{(module, "scalar"): lambda *_: object() for module in _NUMPY},
    **{
        (module, "_frombuffer"): lambda data, dtype, shape, order: Array(shape, dtype, order == "F", data)
        for module in _NUMPY
    },
    **{(module, "tuple"): lambda items=(): tuple(items) for module in _BUILTINS},
    **{(module, "bytes"): lambda: b"" for module in _BUILTINS},
    **{(module, "bytearray"): lambda data=b"": data for module in _BUILTINS},
    **{(module, "eval"): _data_of_eval for module in _BUILTINS},
}
"""Description for the result of each name a pickle of tensors may use; None for names that are never called."""


def read_pickle(path: Path) -> Any:
    """Parse a pickle without loading buffers or running code.

    The result holds dicts, lists, tuples, strings, numbers, and `Array` for arrays, which may share parts or contain
    themselves. A name that is not part of a tensor raises an UnreadableModelError with that name.
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
            self._step(code)
        raise UnreadableModelError(self._path, f"its pickle has more than {_MAX_INSTRUCTIONS:,} opcodes")

    def _step(self, code: bytes) -> None:
        """Execute an opcode for values, containers, marks or the memo."""
        stack = self._stack
        match code:
            case _ if code in _NUMBERS:
                self._push(self._number(_NUMBERS[code]))
            case _ if code in _SIZED:
                self._push(self._sized(*_SIZED[code]))
            case pickle.BINGET | pickle.LONG_BINGET:
                self._push(self._memo[self._number("<B" if code == pickle.BINGET else "<I")])
            case pickle.GET:
                self._push(self._memo[int(self._line()[:20])])
            case pickle.BINPUT | pickle.LONG_BINPUT:
                self._memo[self._number("<B" if code == pickle.BINPUT else "<I")] = stack[-1]
            case pickle.PUT:
                self._memo[int(self._line()[:20])] = stack[-1]
            case pickle.MEMOIZE:
                self._memo[len(self._memo)] = stack[-1]
            case pickle.NONE:
                self._push(None)
            case pickle.NEWTRUE | pickle.NEWFALSE:
                self._push(code == pickle.NEWTRUE)
            case pickle.INT | pickle.LONG:
                text = self._line().removesuffix("L")
                self._push(text == "01" if text in ("00", "01") else int(text[:40]))
            case pickle.LONG1 | pickle.LONG4:
                size = self._number("<B" if code == pickle.LONG1 else "<i")
                if not 0 <= size <= 64:
                    raise ValueError(f"an integer of {size} bytes")
                self._push(int.from_bytes(read_exactly(self._file, size, self._path), "little", signed=True))
            case pickle.FLOAT:
                self._push(float(self._line()))
            case pickle.STRING | pickle.UNICODE:
                self._push(self._line().strip("'\""))
            case pickle.MARK:
                self._marks.append(stack)
                self._stack = []
            case pickle.POP if stack:
                stack.pop()
            case pickle.POP | pickle.POP_MARK:
                self._pop_mark()
            case pickle.DUP:
                self._push(stack[-1])
            case _ if code in _TUPLES:
                start = len(stack) - _TUPLES.index(code)
                if start < 0:
                    raise IndexError("the stack is empty")
                stack[start:] = [tuple(stack[start:])]
            case pickle.TUPLE | pickle.FROZENSET:
                self._push(tuple(self._pop_mark()))
            case pickle.EMPTY_LIST | pickle.EMPTY_SET:
                self._push([])
            case pickle.LIST:
                self._push(self._pop_mark())
            case pickle.APPEND:
                self._extend([stack.pop()])
            case pickle.APPENDS | pickle.ADDITEMS:
                self._extend(self._pop_mark())
            case pickle.EMPTY_DICT:
                self._push({})
            case pickle.DICT:
                items = self._pop_mark()
                self._push({})
                self._fill(items)
            case pickle.SETITEM:
                value, key = stack.pop(), stack.pop()
                self._fill([key, value])
            case pickle.SETITEMS:
                self._fill(self._pop_mark())
            case pickle.PROTO:
                if (number := self._number("<B")) > 5:
                    raise UnreadableModelError(self._path, f"it has pickle protocol {number}; supported are 0 to 5")
            case pickle.FRAME:
                # A frame only gives the size of the next read; its contents follow in the same file.
                self._number("<Q")
            case _:
                self._step_of_object(code)

    def _step_of_object(self, code: bytes) -> None:
        """Execute an opcode that names, calls or fills an object."""
        stack = self._stack
        match code:
            case pickle.GLOBAL:
                module = self._line()
                self._name(module, self._line())
            case pickle.STACK_GLOBAL:
                name, module = stack.pop(), stack.pop()
                if not isinstance(name, str) or not isinstance(module, str):
                    raise TypeError("a name that is not text")
                self._name(module, name)
            case pickle.REDUCE:
                self._reduce()
            case pickle.BUILD:
                self._build()
            case pickle.INST:
                module = self._line()
                raise self._refusal(Global(module, self._line()))
            case pickle.OBJ | pickle.NEWOBJ | pickle.NEWOBJ_EX:
                near = [item for item in (*stack[:1], *stack[-3:]) if isinstance(item, Global)]
                raise self._refusal(near[-1] if near else "an object")
            case pickle.EXT1 | pickle.EXT2 | pickle.EXT4:
                raise self._refusal("a name from the extension registry")
            case pickle.PERSID | pickle.BINPERSID | pickle.NEXT_BUFFER | pickle.READONLY_BUFFER:
                raise self._refusal("an object from outside the file (as PyTorch's files do)")
            case _:
                raise UnreadableModelError(
                    self._path,
                    f"its byte {self._file.tell() - 1:,} ({code[0]:#04x}) is not an opcode of a pickle of tensors",
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

    def _push(self, value: Any) -> None:
        self._stack.append(value)

    def _extend(self, items: list[Any]) -> None:
        if type(target := self._stack[-1]) is not list:
            raise TypeError("items for an object that is not a list")
        target.extend(items)

    def _fill(self, items: list[Any]) -> None:
        if type(target := self._stack[-1]) is not dict or len(items) % 2:
            raise TypeError("items for an object that is not a dict")
        fill(target, zip(items[::2], items[1::2], strict=True))

    def _name(self, module: str, name: str) -> None:
        if (module, name) not in BUILDERS:
            raise self._refusal(Global(module, name))
        self._stack.append(Global(module, name))

    def _reduce(self) -> None:
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

    def _build(self) -> None:
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
