"""Who may ask: hosts, origins, and a token on every route."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
import socket
from functools import cache
from html import escape
from urllib.parse import quote, urlencode, urlsplit

from flask import Flask, Request, Response, request

from visualdl_embedding.server._http import error_response

__all__ = ["PAGE_POLICY", "is_loopback", "protect"]

PAGE_POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; "
    "object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
"""Of our page. VisualDL's own pages have scripts in their HTML, which no policy worth its name would admit."""

_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
_COOKIE_SECONDS = 30 * 24 * 3600


def is_loopback(host: str) -> bool:
    """Whether nobody but this machine can reach a host.

    >>> is_loopback("localhost"), is_loopback("127.0.0.2"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def protect(app: Flask, *, token: str | None, host: str, page_path: str) -> None:
    """Check every request to an application, VisualDL's routes included.

    Parameters
    ----------
    app
        Any Flask application.
    token
        Asked for where given: in ``Authorization: Bearer …``, or once as ``?token=…``, which sets a cookie.
    host
        That the server listens to. Without a token, names that somebody else could have pointed at this machine are
        refused (DNS rebinding): https://en.wikipedia.org/wiki/DNS_rebinding
    page_path
        Where our page stands, whose answers carry our policy.
    """
    guard = None if token is None else _Guard(token)

    @app.before_request
    def check() -> Response | None:
        refusal = _refuse_strangers(request, host=host, has_token=guard is not None)
        return refusal if refusal is not None or guard is None else guard.check(request)

    @app.after_request
    def label(response: Response) -> Response:
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        # An address may hold ?token=, and a run's name is nobody else's.
        response.headers.setdefault("Referrer-Policy", "same-origin")
        if request.path == page_path or request.path.startswith(f"{page_path}/"):
            response.headers["Content-Security-Policy"] = PAGE_POLICY
            response.headers["X-Frame-Options"] = "SAMEORIGIN"
            response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
        return response


def _refuse_strangers(asked: Request, *, host: str, has_token: bool) -> Response | None:
    named = _hostname(asked.host)
    if not has_token and not _is_ours(named, host):
        return error_response(
            403,
            f"This server does not answer to the name {named[:80]!r}. Ask for it by its address, or start it with "
            "--token if it is to be reached by that name.",
        )
    origin = asked.headers.get("Origin")
    if origin is not None and urlsplit(origin).netloc.lower() != asked.host.lower():
        return error_response(403, "Requests from pages of other sites are not answered.")
    # An address that a person follows from elsewhere is welcome; a picture or a script on another page is not.
    cross = asked.headers.get("Sec-Fetch-Site") == "cross-site"
    if cross and asked.headers.get("Sec-Fetch-Mode") not in (None, "navigate"):
        return error_response(403, "Requests from pages of other sites are not answered.")
    return None


def _is_ours(named: str, host: str) -> bool:
    if named in _LOOPBACK_NAMES or named == _hostname(host) or is_loopback(named):
        return True
    if is_loopback(host):
        return False
    try:
        ipaddress.ip_address(named)
    except ValueError:
        return named in _own_names()
    return True


@cache
def _own_names() -> tuple[str, ...]:
    """Find out what this machine calls itself; for the long name a name server may be asked, once."""
    return (socket.gethostname().lower(), socket.getfqdn().lower())


def _hostname(host: str) -> str:
    """Take the port off a host.

    >>> _hostname("LOCALHOST:8040"), _hostname("[::1]:80"), _hostname("::1")
    ('localhost', '::1', '::1')
    """
    lowered = host.lower()
    if lowered.count(":") > 1 and not lowered.startswith("["):
        return lowered
    return re.sub(r":\d*$", "", lowered).strip("[]")


class _Guard:
    """Asks for a token."""

    def __init__(self, token: str) -> None:
        self._token = token.encode()
        # The cookie is not the token itself, and servers on other ports of this host have cookies of their own.
        self._value = hmac.digest(self._token, b"cookie of visualdl-embedding", "sha256").hex()
        self._name = f"vdl_embedding_{hashlib.sha256(self._token).hexdigest()[:8]}"

    def check(self, asked: Request) -> Response | None:
        """None where the request may pass."""
        kind, _, given = asked.headers.get("Authorization", "").partition(" ")
        if kind.lower() == "bearer" and self._same(given.strip()):
            return None
        if hmac.compare_digest(asked.cookies.get(self._name, "").encode(), self._value.encode()):
            # A link with the token again: the address is cleaned as it was the first time.
            return self._welcome(asked) if "token" in asked.args and _is_page(asked) else None
        if self._same(asked.args.get("token", "")):
            if _is_page(asked):
                return self._welcome(asked)
            return None
        return _ask_for_token(asked)

    def _same(self, given: str) -> bool:
        return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), self._token)

    def _welcome(self, asked: Request) -> Response:
        """Set the cookie, and go to the address without the token.

        Not by a redirect: after a link from another site browsers send a strict cookie with no part of that journey.
        """
        rest = [(name, value) for name, value in asked.args.items(multi=True) if name != "token"]
        # A path that begins with two slashes would be another host's.
        path = quote(asked.script_root) + "/" + quote(asked.path.lstrip("/\\"))
        target = escape(path + (f"?{urlencode(rest)}" if rest else ""), quote=True)
        response = Response(
            f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>VisualDL</title>'
            f'<meta http-equiv="refresh" content="0;url={target}"></head>'
            f'<body><a href="{target}">VisualDL</a></body></html>',
            mimetype="text/html",
        )
        response.headers["Cache-Control"] = "no-store"
        response.headers["Referrer-Policy"] = "no-referrer"
        response.set_cookie(
            self._name, self._value, max_age=_COOKIE_SECONDS, path="/", httponly=True, samesite="Strict"
        )
        return response


def _is_page(asked: Request) -> bool:
    return asked.method == "GET" and "text/html" in asked.headers.get("Accept", "")


def _ask_for_token(asked: Request) -> Response:
    sentence = "This server asks for a token: open the address that it printed when it was started, with ?token=…"
    if _is_page(asked):
        chinese = "此服务需要令牌：请打开启动时打印的、带有 ?token=… 的地址。"
        body = (
            '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>VisualDL</title></head>'
            f'<body><p lang="zh">{chinese}</p><p>{sentence}</p></body></html>'
        )
        response = Response(body, status=401, mimetype="text/html")
        response.headers["Cache-Control"] = "no-store"
    else:
        response = error_response(401, sentence + ", or send it as 'Authorization: Bearer …'.")
    response.headers["WWW-Authenticate"] = "Bearer"
    return response
