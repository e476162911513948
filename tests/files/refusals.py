"""Reading what ought to be refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from visualdl_embedding.files import StoredTable, UnreadableModelError, open_tables


def read_all(path: Path) -> list[StoredTable]:
    tables = open_tables(path)
    for stored in tables:
        list(stored.blocks())
        stored.read_labels()
    return tables


def refused(path: Path, reason: str) -> str:
    with pytest.raises(UnreadableModelError, match=reason) as error:
        read_all(path)
    message = str(error.value)
    assert path.name in message or path.parent.name in message
    assert message.partition("\n")[0].endswith(".")
    return message


class Payload:
    """What a hostile file has in the place of a tensor."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return eval, (f"open({str(self.path)!r}, 'w').close()",)
