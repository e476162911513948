"""Limit on the worker's cost: measured at every batch, enforced by stopping its process."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from collections import deque

__all__ = ["Governor", "Slowdown"]

WINDOW = 256
"""Number of batches of each kind for the median; if batches vary by 20%, the error of their ratio is 2%."""
FEWEST = 16
EVERY = 32
"""Interval of updates: two medians take 30 µs, and one batch hardly changes them."""
MEMORY_SECONDS = 60.0
"""Time for which the unused share is kept, so that occasional analyses run at full speed."""
SLICE_SECONDS = 0.1
"""Minimum time slice of the worker: switching at every batch would cool its caches."""
REFRESH, REFRESH_EARLY = 32, 4
"""Number of batches with the worker before one is measured without it; the latter until half of the window is full."""
SILENCE_SECONDS = 2.0
SILENT_BATCHES = 8


class Slowdown:
    """Ratio of the median times of the last batches with and without the running worker.

    It is None until 16 batches of each kind are known.
    """

    def __init__(self) -> None:
        self.running: deque[float] = deque(maxlen=WINDOW)
        self.still: deque[float] = deque(maxlen=WINDOW)
        self.ratio: float | None = None
        self._added = 0

    def add(self, seconds: float, *, running: bool) -> None:
        """Add a batch."""
        (self.running if running else self.still).append(seconds)
        self._added += 1
        known = min(len(self.running), len(self.still)) >= FEWEST
        if known and (self.ratio is None or self._added % EVERY == 0):
            self.ratio = _median(self.running) / max(_median(self.still), 1e-9)


def _median(values: deque[float]) -> float:
    # `statistics.median` takes three times as long.
    return sorted(values)[len(values) // 2]


class Governor:
    """Limits the cost of a worker to a share of the training's time.

    Hyperthreads, caches and memory are shared: on a machine with few cores even a process of the lowest priority slows
    others, by 40% if two virtual cores are one. The cost of the worker is the difference between batches with the
    worker running and batches with it stopped. If the cost exceeds the share, `max_slowdown` (0 to 1), the process is
    stopped. The unused share is kept for a minute.
    """

    def __init__(self, max_slowdown: float) -> None:
        self.has_waited = False
        """Whether the worker was ever stopped for its cost; stops for a measurement do not count."""
        self._share = max_slowdown
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._busy = False
        self._stopped = False
        self._slowdown = Slowdown()
        self._last: float | None = None
        self._gaps: deque[float] = deque(maxlen=SILENT_BATCHES)
        # Whether the worker was neither stopped nor resumed since the last batch.
        self._pure = False
        self._credit = 0.0
        self._since_still = 0

    def attach(self, process: subprocess.Popen[bytes] | None) -> None:
        """Set the process, which the kernel must resume when this process ends; None for no process."""
        with self._lock:
            self._process = process
            self._stopped = False
            self._pure = False

    def set_busy(self, busy: bool) -> None:
        """Set whether the worker has a job."""
        with self._lock:
            self._busy = busy
            self._pure = False
            if not busy:
                self._hold(False)

    def beat(self, now: float | None = None) -> None:
        """Register the end of a batch, at `now` seconds of a monotonic clock. Takes some microseconds."""
        now = time.perf_counter() if now is None else now
        with self._lock:
            running = self._busy and not self._stopped and self._process is not None
            if self._last is not None:
                gap = now - self._last
                # A longer gap is an evaluation, not a batch; it does not count.
                if gap <= self._silence():
                    self._account(gap, running)
                self._gaps.append(gap)
            self._last = now
            if self._busy and self._process is not None:
                self._hold(not self._may_run(running))
            # The state set here lasts for the whole next batch.
            self._pure = True

    def relax(self, now: float | None = None) -> None:
        """Resume the worker if no batch has ended for some time: the training evaluates, waits, or has ended."""
        now = time.perf_counter() if now is None else now
        with self._lock:
            if self._stopped and self._last is not None and now - self._last > self._silence():
                self._hold(False)

    def release(self) -> None:
        """Resume the worker for good, because the training is over."""
        with self._lock:
            self._hold(False)
            self._process = None

    def _silence(self) -> float:
        """Maximum seconds of a slow batch."""
        return max(SILENCE_SECONDS, SILENT_BATCHES * _median(self._gaps) if self._gaps else 0.0)

    def _account(self, seconds: float, running: bool) -> None:
        if self._pure:
            known = self._slowdown.ratio is not None
            self._slowdown.add(seconds, running=running)
            if not known:
                # Charge the cost of the measurements so far.
                self._credit -= self._lost() * (sum(self._slowdown.running) - seconds * running)
        lost = self._lost() * seconds if running else 0.0
        self._credit = min(self._credit + self._share * seconds - lost, self._share * MEMORY_SECONDS)
        self._since_still = self._since_still + 1 if running else 0

    def _lost(self) -> float:
        """Cost as a share of a batch with the worker running."""
        ratio = self._slowdown.ratio
        return 0.0 if ratio is None else max(0.0, 1 - 1 / ratio)

    def _may_run(self, running: bool) -> bool:
        measured = self._slowdown
        if len(measured.still) < FEWEST:
            return False
        if len(measured.running) < FEWEST:
            return True
        paid = self._credit > 0 if running else self._credit >= self._lost() * SLICE_SECONDS
        self.has_waited |= not paid
        return paid and self._since_still < (REFRESH if len(measured.still) >= WINDOW // 2 else REFRESH_EARLY)

    def _hold(self, hold: bool) -> None:
        if hold == self._stopped or self._process is None:
            return
        self._pure = False
        # Ctrl-C can interrupt these lines: a running process marked as stopped is safer than the reverse.
        self._stopped = True
        # `send_signal` checks whether the process has ended; its id may belong to another process by then.
        self._process.send_signal(signal.SIGSTOP if hold else signal.SIGCONT)
        self._stopped = hold
