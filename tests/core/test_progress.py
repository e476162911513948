from __future__ import annotations

import logging
import time

import pytest

from visualdl_embedding.core import progress


def test_only_what_takes_long_is_announced(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "ANNOUNCED_AFTER_SECONDS", 0.1)
    with caplog.at_level(logging.INFO, "visualdl_embedding"):
        with progress.announced("Reading a short file"):
            pass
        with progress.announced("Reading a long file"):
            deadline = time.monotonic() + 30
            while not caplog.messages and time.monotonic() < deadline:
                time.sleep(0.01)
    assert caplog.messages == ["Reading a long file …"]
