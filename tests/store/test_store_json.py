from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from visualdl_embedding.store._json import dumps, loads

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)


@given(values)
def test_plain_values_round_trip_through_strict_json(value: object) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    text = dumps(value)
    json.loads(text, parse_constant=refuse)
    assert repr(loads(text)) == repr(value)


def test_numpy_becomes_plain() -> None:
    values = {"a": np.float32(0.1), "b": np.int64(3), "c": np.array([1.0, np.inf]), "d": np.bool_(True), 5: (1, 2)}
    found = loads(dumps(values))
    assert found == {"a": float(np.float32(0.1)), "b": 3, "c": [1.0, math.inf], "d": True, "5": [1, 2]}
    assert type(found["d"]) is bool


def test_what_is_not_plain_is_refused() -> None:
    with pytest.raises(TypeError, match="A Generator cannot be stored"):
        dumps({"random_state": np.random.default_rng(0)})


def test_bottomless_nesting_is_an_error_of_the_text() -> None:
    with pytest.raises(ValueError, match="too deeply"):
        loads("[" * 200_000)
