"""VisualDL, whole, with the page and the API of embedding tables in it.

`serve` is the program; `make_server` makes the application for whoever runs or mounts it himself.
"""

from visualdl_embedding.server._app import make_server
from visualdl_embedding.server._serve import serve
from visualdl_embedding.server._source import RunSource

__all__ = ["RunSource", "make_server", "serve"]
