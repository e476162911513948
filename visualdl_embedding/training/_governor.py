"""Holds the worker back where it slows the training: measured at every batch, enforced by stopping its process."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from collections import deque

__all__ = ["Governor", "Slowdown"]

WINDOW = 256
"""Batches of each kind whose median counts; where batches vary by 20%, their ratio is then known to 2%."""
FEWEST = 16
EVERY = 32
"""Two medians take 30 µs, and hardly change with one batch."""
MEMORY_SECONDS = 60.0
"""What was not used of the share is kept so long: an analysis now and then runs at full speed."""
SLICE_SECONDS = 0.1
"""How long the worker runs at least, once it may: turning it on and off for single batches would cool its caches."""
REFRESH, REFRESH_EARLY = 32, 4
"""After so many batches with the worker one is measured without it; the latter until half of the window is known."""
SILENCE_SECONDS = 2.0
SILENT_BATCHES = 8


class Slowdown:
    """How much longer batches take while the worker runs: the ratio of medians of the last ones."""

    def __init__(self) -> None:
        self.running: deque[float] = deque(maxlen=WINDOW)
        self.still: deque[float] = deque(maxlen=WINDOW)
        self._ratio: float | None = None
        self._added = 0

    def add(self, seconds: float, *, running: bool) -> None:
        """Take a batch into account."""
        (self.running if running else self.still).append(seconds)
        self._added += 1
        known = min(len(self.running), len(self.still)) >= FEWEST
        if known and (self._ratio is None or self._added % EVERY == 0):
            self._ratio = _middle(self.running) / max(_middle(self.still), 1e-9)

    @property
    def ratio(self) -> float | None:
        """Time with the worker by time without it; None while too few batches of a kind are known."""
        return self._ratio


def _middle(values: deque[float]) -> float:
    # `statistics.median` takes three times as long.
    return sorted(values)[len(values) // 2]


class Governor:
    """Lets a worker cost a training at most a share of its time.

    Hyperthreads, caches and memory are shared: on a machine with few cores even a process of the lowest priority slows
    what runs beside it, by 40% where two virtual cores are one. Batches with the worker running are measured against
    batches with it stopped; what they are longer is its cost. Where the cost exceeds the share, the process waits.

    Parameters
    ----------
    max_slowdown
        Share of the training's time that the worker may cost; what it did not use is kept for a minute.

    Attributes
    ----------
    has_waited
        Whether the worker ever had to wait for its cost; being measured does not count.
    """

    def __init__(self, max_slowdown: float) -> None:
        self.has_waited = False
        self._share = max_slowdown
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._busy = False
        self._stopped = False
        self._released = False
        self._slowdown = Slowdown()
        self._last: float | None = None
        self._gaps: deque[float] = deque(maxlen=SILENT_BATCHES)
        # Whether nothing was turned on or off since the last batch.
        self._pure = False
        self._credit = 0.0
        self._since_still = 0

    def attach(self, process: subprocess.Popen[bytes] | None) -> None:
        """Govern this process from now on, which wakes by itself when we are gone; None while there is none."""
        with self._lock:
            self._process = process
            self._stopped = False
            self._pure = False

    def say_busy(self, busy: bool) -> None:
        """Tell whether the worker has something to do."""
        with self._lock:
            self._busy = busy
            self._pure = False
            if not busy:
                self._hold(False)

    def beat(self, now: float | None = None) -> None:
        """Note the end of a batch; for the training thread, some microseconds.

        Parameters
        ----------
        now
            Seconds of a clock that only goes forward.
        """
        now = time.perf_counter() if now is None else now
        with self._lock:
            if self._released:
                return
            running = self._busy and not self._stopped and self._process is not None
            if self._last is not None:
                gap = now - self._last
                # An evaluation in between is no batch, and nothing that the worker has to pay for.
                if gap <= self._silence():
                    self._account(gap, running)
                self._gaps.append(gap)
            self._last = now
            if self._busy and self._process is not None:
                self._hold(not self._may_run(running))
            # What is turned on or off here holds for the whole of the next batch.
            self._pure = True

    def relax(self, now: float | None = None) -> None:
        """Let the worker run where no batch has ended for long: the training evaluates, or waits, or is gone."""
        now = time.perf_counter() if now is None else now
        with self._lock:
            if self._stopped and self._last is not None and now - self._last > self._silence():
                self._hold(False)

    def release(self) -> None:
        """Hold nothing back any more: the training is over."""
        with self._lock:
            self._released = True
            self._hold(False)

    def _silence(self) -> float:
        """Seconds without a batch that are more than a slow one."""
        return max(SILENCE_SECONDS, SILENT_BATCHES * _middle(self._gaps) if self._gaps else 0.0)

    def _account(self, seconds: float, running: bool) -> None:
        if self._pure:
            known = self._slowdown.ratio is not None
            self._slowdown.add(seconds, running=running)
            if not known:
                # What getting to know the training cost so far is paid now.
                self._credit -= self._lost() * (sum(self._slowdown.running) - seconds * running)
        lost = self._lost() * seconds if running else 0.0
        self._credit = min(self._credit + self._share * seconds - lost, self._share * MEMORY_SECONDS)
        self._since_still = self._since_still + 1 if running else 0

    def _lost(self) -> float:
        """Share of a batch with the worker that is its cost."""
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
        # Ctrl-C may come between the lines: rather noted as stopped and running than the other way round.
        self._stopped = True
        # `send_signal` knows whether the process has ended; a number could be another's by then.
        self._process.send_signal(signal.SIGSTOP if hold else signal.SIGCONT)
        self._stopped = hold
