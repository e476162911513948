"""Child process that computes one joint map: the job is a line of JSON on stdin, progress are numbers on stdout.

It writes the result to the cache, and exits at once when its stdin closes.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading

from visualdl_embedding.runs._joint import SnapshotReference, compare

__all__ = ["main"]


def main() -> None:
    """Read the job from stdin and compute it."""
    job = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with contextlib.suppress(AttributeError, OSError):
        os.nice(5)
    with os.fdopen(os.dup(sys.stdout.fileno()), "w") as answers:
        # Redirect prints of libraries, which would mix with the numbers.
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

        def report(share: float) -> None:
            print(f"{share:.3f}", file=answers, flush=True)

        try:
            compare(
                SnapshotReference(**job["a"]),
                SnapshotReference(**job["b"]),
                projection=job["projection"],
                cache=job["cache"],
                on_progress=report,
            )
        except (ValueError, OSError) as error:
            print(json.dumps({"error": str(error)}), file=answers, flush=True)
        except Exception as error:
            print(json.dumps({"error": f"{type(error).__name__}: {error}"}), file=answers, flush=True)
    # Exit without the interpreter's shutdown, which would wait for the thread that reads stdin.
    os._exit(0)


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(0)
