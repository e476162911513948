"""The program: listens, says where, and ends when it is told to."""

from __future__ import annotations

import errno
import os
import socket
import sys
import threading
import webbrowser
from collections.abc import Sequence
from typing import Any

from flask import Flask
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler
from werkzeug.serving import make_server as make_wsgi_server

from visualdl_embedding.server._app import make_server
from visualdl_embedding.server._security import is_loopback
from visualdl_embedding.server._source import RunSource

__all__ = ["serve"]

DEFAULT_PORT = 8040
"""That of VisualDL."""
_BACKLOG = 256


def serve(
    logdir: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    host: str = "localhost",
    port: int = DEFAULT_PORT,
    public_path: str = "/app",
    language: str | None = None,
    theme: str | None = None,
    cache_timeout: float = 20.0,
    model: str = "",
    token: str | None = None,
    open_browser: bool = False,
) -> None:
    """Serve VisualDL with our page in it, until Ctrl-C.

    Parameters
    ----------
    logdir
        A log directory, or several; absolute or relative.
    host
        Name or address to listen to; ``"0.0.0.0"`` lets in all machines of the network, which is warned of.
    port
        0 takes a free one.
    public_path, language, theme, cache_timeout, model, token
        As `make_server`.
    open_browser
        Open our page.

    Raises
    ------
    ValueError, NotADirectoryError
        For an option that cannot be meant.
    OSError
        If the address is taken or is not this machine's.
    """
    source = RunSource(logdir)
    listening = _listen(host, port)
    with listening:
        app = make_server(
            source,
            public_path=public_path,
            language=language,
            theme=theme,
            cache_timeout=cache_timeout,
            model=model,
            token=token,
            host=host,
        )
        server = make_wsgi_server(host, 0, app, threaded=True, request_handler=_QuietHandler, fd=listening.fileno())
        address = _address(host, listening.getsockname()[1], public_path=public_path, token=token)
        _say(address, host=host, has_token=token is not None)
        if open_browser:
            threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
        _run(server, app)


def _run(server: BaseWSGIServer, app: Flask) -> None:
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
    finally:
        app.extensions["visualdl_embedding"].close()
        server.server_close()


def _listen(host: str, port: int) -> socket.socket:
    """Open the socket ourselves: Werkzeug ends the whole process where the port is taken."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, family=socket.AF_INET6 if ":" in host else socket.AF_INET
        )[0]
    except (socket.gaierror, OverflowError) as error:
        raise OSError(f"{host!r} is no address of this machine; try 'localhost' or '0.0.0.0'.") from error
    listening = socket.socket(family, kind)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(_BACKLOG)
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRINUSE:
            raise OSError(error.errno, f"Port {port} of {host} is taken; choose another with --port") from error
        if error.errno == errno.EADDRNOTAVAIL:
            raise OSError(error.errno, f"{host} is no address of this machine; try 'localhost'") from error
        raise
    return listening


def _address(host: str, port: int, *, public_path: str, token: str | None) -> str:
    # 0.0.0.0 is every address of the machine, and none that a browser takes.
    named = socket.gethostname() if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host
    query = "" if token is None else f"?token={token}"
    return f"http://{named}:{port}{public_path.rstrip('/')}/embeddings/{query}"


def _say(address: str, *, host: str, has_token: bool) -> None:
    print(f"VisualDL with embeddings: {address} (Ctrl-C to end)", flush=True)
    if not is_loopback(host) and not has_token:
        print(
            f"Warning: listening to {host}, so everyone on the network can read these log directories. Pass --token, "
            "or leave --host at localhost and reach it through SSH: ssh -L 8040:localhost:8040 <this machine>.",
            file=sys.stderr,
            flush=True,
        )


class _QuietHandler(WSGIRequestHandler):
    """Logs no request: there are many, and addresses may hold the token."""

    # Without it headers and body leave as two packets, the second of which waits 40 ms for the first's receipt.
    disable_nagle_algorithm = True
    wbufsize = -1
    # Of silence, after which a connection and its thread are given up.
    timeout = 75

    def log_request(self, *args: Any, **kwargs: Any) -> None:
        """Say nothing."""

    def version_string(self) -> str:
        """Name no versions."""
        return "visualdl-embedding"
