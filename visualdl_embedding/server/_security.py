"""Access control: host names, origins, and a token for every route."""

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
"""Content security policy of our page. VisualDL's pages have inline scripts, which a useful policy would block."""

_COOKIE_SECONDS = 30 * 24 * 3600
_TOKEN_NEEDED = "This server needs a token: open the address that it printed at its start, with ?token=…"
_TOKEN_NEEDED_ZH = "此服务需要令牌：请打开启动时打印的、带有 ?token=… 的地址。"


def is_loopback(host: str) -> bool:
    """Whether a host can be reached from this machine only.

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
    """Check every request to an application, including VisualDL's routes.

    A token is required in ``Authorization: Bearer …``, or once as ``?token=…``, which sets a cookie. Without a token,
    requests to names that a third party could have pointed at this machine are rejected (DNS rebinding):
    https://en.wikipedia.org/wiki/DNS_rebinding. Responses below `page_path` contain our policy.
    """
    check_token = None if token is None else _TokenCheck(token)

    @app.before_request
    def check() -> Response | None:
        rejection = _reject_strangers(request, host=host, has_token=token is not None)
        return rejection if rejection is not None or check_token is None else check_token(request)

    @app.after_request
    def label(response: Response) -> Response:
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        # Addresses may contain ?token= and names of runs, which other sites must not see.
        response.headers.setdefault("Referrer-Policy", "same-origin")
        if request.path == page_path or request.path.startswith(f"{page_path}/"):
            response.headers["Content-Security-Policy"] = PAGE_POLICY
            response.headers["X-Frame-Options"] = "SAMEORIGIN"
            response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
        return response


def _reject_strangers(asked: Request, *, host: str, has_token: bool) -> Response | None:
    named = _hostname(asked.host)
    if not has_token and not _is_ours(named, host):
        return error_response(
            403,
            f"This server does not answer requests for the host name {named[:80]!r}; use its address, or start it with "
            "--token to allow any name.",
        )
    origin = asked.headers.get("Origin")
    foreign = origin is not None and urlsplit(origin).netloc.lower() != asked.host.lower()
    # Links from other sites are allowed; images and scripts in their pages are not.
    cross = asked.headers.get("Sec-Fetch-Site") == "cross-site"
    if foreign or (cross and asked.headers.get("Sec-Fetch-Mode") not in (None, "navigate")):
        return error_response(403, "This server does not answer requests from pages of other sites; open its own page.")
    return None


def _is_ours(named: str, host: str) -> bool:
    if named == _hostname(host) or is_loopback(named):
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
    """Names of this machine. The long name may take a request to a name server, once."""
    return (socket.gethostname().lower(), socket.getfqdn().lower())


def _hostname(host: str) -> str:
    """Host name without its port.

    >>> _hostname("LOCALHOST:8040"), _hostname("[::1]:80"), _hostname("::1")
    ('localhost', '::1', '::1')
    """
    lowered = host.lower()
    if lowered.count(":") > 1 and not lowered.startswith("["):
        return lowered
    return re.sub(r":\d*$", "", lowered).strip("[]")


class _TokenCheck:
    """Checks the token of requests."""

    def __init__(self, token: str) -> None:
        self._token = token.encode()
        # The cookie does not contain the token. Servers on other ports of this host have cookies of other names.
        self._value = hmac.digest(self._token, b"cookie of visualdl-embedding", "sha256").hex()
        self._name = f"vdl_embedding_{hashlib.sha256(self._token).hexdigest()[:8]}"

    def __call__(self, asked: Request) -> Response | None:
        """Return None to let a request pass, or the response to send instead."""
        kind, _, given = asked.headers.get("Authorization", "").partition(" ")
        if kind.lower() == "bearer" and self._same(given.strip()):
            return None
        has_cookie = hmac.compare_digest(asked.cookies.get(self._name, "").encode(), self._value.encode())
        if has_cookie or self._same(asked.args.get("token", "")):
            return self._welcome(asked) if "token" in asked.args and _is_page(asked) else None
        return _request_token(asked)

    def _same(self, given: str) -> bool:
        return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), self._token)

    def _welcome(self, asked: Request) -> Response:
        """Set the cookie and go to the address without the token.

        A redirect would not work: after a link from another site, browsers withhold strict cookies from it.
        """
        rest = [(name, value) for name, value in asked.args.items(multi=True) if name != "token"]
        # A path that starts with two slashes would lead to another host.
        path = quote(asked.script_root) + "/" + quote(asked.path.lstrip("/\\"))
        target = escape(path + (f"?{urlencode(rest)}" if rest else ""), quote=True)
        refresh = f'<meta http-equiv="refresh" content="0;url={target}">'
        response = _page(f'<a href="{target}">VisualDL</a>', head=refresh)
        response.headers["Referrer-Policy"] = "no-referrer"
        response.set_cookie(
            self._name, self._value, max_age=_COOKIE_SECONDS, path="/", httponly=True, samesite="Strict"
        )
        return response


def _is_page(asked: Request) -> bool:
    return asked.method == "GET" and "text/html" in asked.headers.get("Accept", "")


def _request_token(asked: Request) -> Response:
    if _is_page(asked):
        response = _page(f'<p lang="zh">{_TOKEN_NEEDED_ZH}</p><p>{_TOKEN_NEEDED}</p>', status=401)
    else:
        response = error_response(401, f"{_TOKEN_NEEDED}, or send it as 'Authorization: Bearer …'.")
    response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _page(body: str, *, head: str = "", status: int = 200) -> Response:
    response = Response(
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>VisualDL</title>{head}</head>'
        f"<body>{body}</body></html>",
        status=status,
        mimetype="text/html",
    )
    response.headers["Cache-Control"] = "no-store"
    return response
