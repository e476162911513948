"""Server process: listens on a port until Ctrl-C."""

from __future__ import annotations

import errno
import os
import socket
import sys
import threading
import webbrowser
from collections.abc import Sequence
from typing import Any

from werkzeug.serving import WSGIRequestHandler
from werkzeug.serving import make_server as make_wsgi_server

from visualdl_embedding.server._app import make_server
from visualdl_embedding.server._joint import EXTENSION
from visualdl_embedding.server._security import is_loopback
from visualdl_embedding.server._source import RunSource

__all__ = ["serve"]

DEFAULT_PORT = 8040
"""VisualDL's default."""
_BACKLOG = 256


def serve(
    logdir: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    host: str = "localhost",
    port: int = DEFAULT_PORT,
    public_path: str = "/app",
    token: str | None = None,
    open_browser: bool = False,
    **options: Any,
) -> None:
    """Serve VisualDL with our page until Ctrl-C.

    Parameters
    ----------
    logdir
        One log directory or several, absolute or relative.
    host
        Name or address to listen on. ``"0.0.0.0"`` admits all machines of the network, which prints a warning if there
        is no token.
    port
        0 for a free one.
    open_browser
        Whether to open our page in a browser.
    public_path, token, **options
        Options of `make_server`: ``language``, ``theme``, ``cache_timeout``, ``model``.

    Raises
    ------
    ValueError, NotADirectoryError
        For an invalid option.
    OSError
        If the address is in use or does not belong to this machine.
    """
    source = RunSource(logdir)
    with _listen(host, port) as listening:
        app = make_server(source, public_path=public_path, token=token, host=host, **options)
        server = make_wsgi_server(host, 0, app, threaded=True, request_handler=_QuietHandler, fd=listening.fileno())
        address = _address(host, listening.getsockname()[1], public_path=public_path, token=token)
        print(f"VisualDL with embeddings: {address} (Ctrl-C to end)", flush=True)
        if not is_loopback(host) and token is None:
            print(
                f"Warning: listening on {host}, so everyone on the network can read these log directories. Pass "
                "--token, or keep --host at localhost and connect by SSH: ssh -L 8040:localhost:8040 <this machine>.",
                file=sys.stderr,
                flush=True,
            )
        if open_browser:
            threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print("\nStopped.", file=sys.stderr)
        finally:
            app.extensions[EXTENSION].close()
            server.server_close()


def _listen(host: str, port: int) -> socket.socket:
    """Open the socket here: Werkzeug exits the process if the port is in use."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, family=family)[0]
    except (socket.gaierror, OverflowError) as error:
        raise OSError(f"{host!r} is no address of this machine; try 'localhost' or '0.0.0.0'.") from error
    try:
        both = family == socket.AF_INET6 and socket.has_dualstack_ipv6()
        return socket.create_server(address, family=family, backlog=_BACKLOG, dualstack_ipv6=both)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise OSError(error.errno, f"Port {port} of {host} is taken; choose another with --port") from error
        if error.errno == errno.EADDRNOTAVAIL:
            raise OSError(error.errno, f"{host} is no address of this machine; try 'localhost'") from error
        raise


def _address(host: str, port: int, *, public_path: str, token: str | None) -> str:
    # Browsers cannot open 0.0.0.0, which stands for all addresses of the machine.
    named = socket.gethostname() if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host
    query = "" if token is None else f"?token={token}"
    return f"http://{named}:{port}{public_path.rstrip('/')}/embeddings/{query}"


class _QuietHandler(WSGIRequestHandler):
    """Handler that logs no requests: there are many, and their addresses may contain the token."""

    # Otherwise headers and body are two packets, and the second one waits 40 ms for the receipt of the first.
    disable_nagle_algorithm = True
    wbufsize = -1
    # Seconds of silence after which a connection is closed.
    timeout = 75

    def log_request(self, *args: Any, **kwargs: Any) -> None:
        """Log nothing."""

    def version_string(self) -> str:
        """Server name without versions."""
        return "visualdl-embedding"
