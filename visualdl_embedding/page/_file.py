"""Self-contained HTML file of the page, with data, script and style, and without network requests."""

from __future__ import annotations

import base64
import hashlib
import html
import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from visualdl_embedding.core.jsonable import dumps

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

__all__ = ["embedded_json", "html_file", "missing_page"]

_POLICY = (
    "default-src 'none'; script-src 'sha256-%s'; style-src 'unsafe-inline'; img-src data: blob:; connect-src 'none'; "
    "base-uri 'none'; form-action 'none'"
)
_FOR_JSON = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"})


def html_file(data: Any, *, title: str) -> str:
    """Return the page with its data as one HTML file; equal data give equal files.

    The content security policy permits only the inlined script, by its hash, and no network requests.

    Raises
    ------
    FileNotFoundError
        If the page was not built; see `missing_page`.
    """
    missing = missing_page()
    if missing:
        raise FileNotFoundError(missing)
    script, style, licenses = _bundle()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    parts = {
        "POLICY": _POLICY % digest,
        "TITLE": html.escape(title),
        "STYLE": style,
        "DATA": embedded_json(data),
        "LICENSES": html.escape(licenses, quote=False),
        "SCRIPT": script,
    }
    # Replace in one pass, so that placeholders inside inserted text are not replaced.
    return re.sub(r"@@([A-Z]+)@@", lambda found: parts[found[1]], _TEMPLATE)


def missing_page() -> str | None:
    """Return the reason why the page is not available, as a sentence; None if the page was built."""
    if (_built() / "index.html").is_file():
        return None
    return (
        "The page was not built when visualdl-embedding was installed, which takes npm: install Node.js 20.19 or newer "
        "and install visualdl-embedding again."
    )


def embedded_json(value: Any) -> str:
    r"""Return JSON for a script element, escaped so that no label can end the element or open a comment.

    >>> embedded_json(["</script><!--"])
    '["\\u003c/script\\u003e\\u003c!--"]'
    """
    return dumps(value, compact=True).translate(_FOR_JSON)


def _built() -> Traversable:
    # Locate the files through the package, because the server module may not be importable.
    return files("visualdl_embedding") / "server" / "static"


@cache
def _bundle() -> tuple[str, str, str]:
    """Return the script, style and licenses of the built page."""
    folder = _built()
    index = (folder / "index.html").read_text("utf-8")

    def read(pattern: str) -> str:
        return "".join((folder / name).read_text("utf-8") for name in re.findall(pattern, index))

    script = read(r'<script[^>]*\bsrc="\./([^"]+)"')
    style = read(r'<link[^>]*\brel="stylesheet"[^>]*\bhref="\./([^"]+)"')
    # An HTML parser ends a script at the first "</script", even inside a string of the script.
    script = re.sub(r"</(?=script)", r"<\\/", script, flags=re.IGNORECASE).replace("<!--", r"\x3c!--")
    return script, style, (folder / "assets" / "licenses.md").read_text("utf-8")


_TEMPLATE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="@@POLICY@@">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>@@TITLE@@</title>
<link rel="icon" href="data:,">
<style>@@STYLE@@</style>
</head>
<body>
<div id="root"></div>
<noscript>This page needs JavaScript. 本页面需要 JavaScript。</noscript>
<script type="application/json" id="data">@@DATA@@</script>
<pre id="licenses" hidden>@@LICENSES@@</pre>
<script type="module">@@SCRIPT@@</script>
</body>
</html>
"""
