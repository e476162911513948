"""VisualDL's server with the page and the API of embedding tables.

`serve` runs the server; `make_server` creates the application for other servers.
"""

from visualdl_embedding.server._app import make_server
from visualdl_embedding.server._serve import serve
from visualdl_embedding.server._source import RunSource

__all__ = ["RunSource", "make_server", "serve"]
