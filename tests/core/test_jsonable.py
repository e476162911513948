from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from visualdl_embedding.core.jsonable import dumps, dumps_exact, loads_exact, plain

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)


def strict(text: str) -> Any:
    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    return json.loads(text, parse_constant=refuse)


@given(VALUES)
def test_exact_json_is_strict_and_restores_every_value(value: object) -> None:
    text = dumps_exact(value)
    text.encode("utf-8")
    strict(text)
    assert repr(loads_exact(text)) == repr(value)


@given(VALUES)
def test_json_is_strict_and_holds_the_plain_value(value: object) -> None:
    text = dumps(value)
    text.encode("utf-8")
    assert repr(strict(text)) == repr(plain(value))


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, np.float32("nan"), np.array([np.nan, np.inf])])
def test_non_finite_numbers_become_null(number: object) -> None:
    empty = [None, None] if isinstance(number, np.ndarray) else None
    assert plain({"a": (number, 1.5)}) == {"a": [empty, 1.5]}
    assert strict(dumps({"a": (number, 1.5)}, compact=True)) == {"a": [empty, 1.5]}


def test_numpy_becomes_plain() -> None:
    values = {"a": np.float32(0.1), "b": np.int64(3), "c": np.array([1.0, np.inf]), "d": np.bool_(True), 5: (1, 2)}
    found = loads_exact(dumps_exact(values))
    assert found == {"a": float(np.float32(0.1)), "b": 3, "c": [1.0, math.inf], "d": True, "5": [1, 2]}
    assert type(found["d"]) is bool
    assert plain(values) == {**found, "c": [1.0, None]}


@pytest.mark.parametrize("write", [plain, dumps, dumps_exact])
def test_what_is_not_plain_is_refused(write: Callable[[Any], Any]) -> None:
    with pytest.raises(TypeError, match="A Generator cannot be written as JSON"):
        write({"random_state": np.random.default_rng(0)})


def test_bottomless_nesting_is_an_error_of_the_text() -> None:
    with pytest.raises(ValueError, match="too deeply"):
        loads_exact("[" * 200_000)
