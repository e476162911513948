"""Log messages in programs with and without logging of their own."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import logging
from visualdl_embedding.core.messages import show_messages
{before}
show_messages()
show_messages()
{after}
logging.getLogger("visualdl_embedding").info("recorded")
logging.getLogger("visualdl_embedding").warning("slow")
"""
WARNINGS, ALL = (
    "logging.basicConfig(format='own: %(message)s')",
    "logging.basicConfig(format='own: %(message)s', level=20)",
)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("", "", ["recorded", "slow"]),
        (WARNINGS, "", ["own: slow"]),
        (ALL, "", ["own: recorded", "own: slow"]),
        ("logging.getLogger('visualdl_embedding').setLevel(logging.WARNING)", "", ["slow"]),
        # Each message appears once if the program sets up logging later.
        ("", ALL, ["own: recorded", "own: slow"]),
    ],
)
def test_each_message_is_shown_once_by_the_program_or_else_by_us(before: str, after: str, expected: list[str]) -> None:
    command = [sys.executable, "-c", PROGRAM.format(before=before, after=after)]
    found = subprocess.run(command, capture_output=True, check=True, text=True)
    assert found.stderr.splitlines() == expected
