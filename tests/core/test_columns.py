from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from visualdl_embedding.core.columns import first_non_number, numbers


@given(st.lists(st.floats(allow_nan=False) | st.sampled_from(["", " ", "many"]), max_size=8))
def test_cells_are_numbers_or_unknown(values: list[float | str]) -> None:
    cells = [str(value) for value in values]
    found = numbers(cells)
    assert found.dtype == np.float64
    assert [None if np.isnan(v) else v for v in found] == [None if isinstance(v, str) else v for v in values]
    assert first_non_number(cells) == ("many" if "many" in cells else None)
