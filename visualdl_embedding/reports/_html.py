"""The page: one HTML file that holds its data, its program and Plotly, and asks no host for anything."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from functools import cache
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from visualdl_embedding.reports._payload import payload

if TYPE_CHECKING:
    from visualdl_embedding.reports._report import Report

__all__ = ["embedded_json", "page"]

SCRIPTS = ("data.js", "colors.js", "plots.js", "overlay.js", "panels.js", "main.js")
_FOR_JSON = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"})


def page(report: Report) -> str:
    """Build ``report.html``; equal reports give equal pages.

    Its content security policy lets only the scripts run that stand in it now, by their hashes, and lets nothing be
    fetched: not by these scripts, and not by what a label might smuggle in.
    """
    plotly = _plotly()
    script = _script()
    parts = {
        "POLICY": _policy(plotly, script),
        "TITLE": html.escape(f"{report.table.name} · {report.name}"),
        "STYLE": _asset("page.css"),
        "DATA": embedded_json(payload(report) | {"strings": json.loads(_asset("strings.json"))}),
        "PLOTLY": plotly,
        "SCRIPT": script,
    }
    # One pass, so that what is filled in is never searched for places to fill.
    return re.sub(r"@@([A-Z]+)@@", lambda found: parts[found[1]], _asset("page.html"))


def embedded_json(value: Any) -> str:
    r"""JSON that may stand in a script element: no label can end it or open a comment.

    >>> embedded_json(["</script><!--"])
    '["\\u003c/script\\u003e\\u003c!--"]'
    """
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).translate(_FOR_JSON)


def _policy(*scripts: str) -> str:
    hashes = " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(s.encode()).digest()).decode()}'" for s in scripts)
    # plotly.js compiles the drawing commands of its WebGL maps while it runs; what it compiles holds none of our data.
    return (
        f"default-src 'none'; script-src {hashes} 'unsafe-eval'; style-src 'unsafe-inline'; img-src data: blob:; "
        "font-src data:; connect-src 'none'; base-uri 'none'; form-action 'none'"
    )


@cache
def _asset(name: str) -> str:
    return (files("visualdl_embedding.reports") / "page" / name).read_text("utf-8")


@cache
def _script() -> str:
    return '"use strict";\n(() => {\n' + "\n".join(_asset(name) for name in SCRIPTS) + "\n})();\n"


@cache
def _plotly() -> str:
    """plotly.js as the Python package ships it, 4.8 MB; the package itself is not imported, which takes 0.3 s."""
    spec = find_spec("plotly")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("The page of a report needs plotly: pip install 'plotly>=5.24'.")
    path = Path(next(iter(spec.submodule_search_locations))) / "package_data" / "plotly.min.js"
    script = path.read_text("utf-8")
    # An HTML parser ends a script at the first "</script", also inside a string of the program.
    return re.sub(r"</(?=script)", r"<\\/", script, flags=re.IGNORECASE)
