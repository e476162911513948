"""Names of groups become numbers, or an error that helps."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from visualdl_embedding.metrics.groups import MAX_GROUPS, NO_GROUP, encode_groups


@given(st.lists(st.sampled_from(["", "正面", "负面", "neutral", "a", "b"])))
def test_codes_and_names_give_the_values_back(values: list[str]) -> None:
    codes, names = encode_groups(values)
    assert codes.dtype == np.int32
    assert [names[code] if code != NO_GROUP else "" for code in codes] == values
    counts = Counter(value for value in values if value)
    assert list(names) == sorted(counts, key=lambda name: (-counts[name], name))


def test_blanks_do_not_make_groups() -> None:
    codes, names = encode_groups([" pos", "pos\t", "  ", "pos"])
    assert names == ("pos",)
    assert codes.tolist() == [0, 0, NO_GROUP, 0]


def test_invalid_group_columns_are_refused() -> None:
    with pytest.raises(TypeError, match="not the string 'positive'"):
        encode_groups("positive")
    with pytest.raises(TypeError, match="groups must be strings, but row 1 has nan of type float"):
        encode_groups(["pos", float("nan")])  # type: ignore[list-item]
    with pytest.raises(ValueError, match=r"1,001 different names for 1,001 rows.*coarser column"):
        encode_groups([f"label {i}" for i in range(MAX_GROUPS + 1)])
    assert len(encode_groups([f"label {i}" for i in range(MAX_GROUPS)])[1]) == MAX_GROUPS
