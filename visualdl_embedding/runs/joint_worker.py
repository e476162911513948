"""A child process: one job as a line of JSON on stdin, the share that is done as numbers on stdout.

The result goes into the cache. It ends when its stdin closes, whatever it is doing.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading

from visualdl_embedding.runs._joint_cache import Side, compare

__all__ = ["main"]


def main() -> None:
    """Do the one job that stands on stdin."""
    job = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with contextlib.suppress(AttributeError, OSError):
        os.nice(5)
    with os.fdopen(os.dup(sys.stdout.fileno()), "w") as answers:
        # Libraries print; what they print must not stand between two numbers.
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

        def tell(share: float) -> None:
            print(f"{share:.3f}", file=answers, flush=True)

        try:
            compare(
                Side(**job["a"]), Side(**job["b"]), projection=job["projection"], cache=job["cache"], on_progress=tell
            )
        except (ValueError, OSError) as error:
            print(json.dumps({"error": str(error)}), file=answers, flush=True)
    # Not through the interpreter's end, where the thread that reads stdin would be waited for.
    os._exit(0)


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(0)
