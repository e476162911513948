"""Who may ask: the token on every route, VisualDL's included; hosts, origins, policies."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from served_runs import make_run

from visualdl_embedding.server import RunSource, make_server
from visualdl_embedding.server._security import PAGE_POLICY

TOKEN = "s3cret-令牌".encode().hex()
PAGE = {"Accept": "text/html,*/*"}
ROUTES = (
    "/",
    "/alive",
    "/favicon.ico",
    "/app/scalar",
    "/app/index",
    "/app/api/runs",
    "/app/api/scalar/tags",
    "/app/api/component_tabs",
    "/app/api/profiler/runs",
    "/app/_dist_/index.js",
    "/app/embeddings",
    "/app/embeddings/",
    "/app/embeddings/assets/bar.js",
    "/app/embeddings/api/v1/runs",
    "/app/embeddings/api/v1/openapi.json",
    "/app/embeddings/api/v1/nothing",
    "/nowhere",
)


@pytest.fixture(scope="module")
def source(two_runs: Path) -> RunSource:
    return RunSource(two_runs / "runs")


@pytest.fixture(scope="module")
def guarded(source: RunSource) -> Flask:
    return make_server(source, token=TOKEN)


@pytest.fixture(scope="module")
def open_app(source: RunSource) -> Flask:
    return make_server(source)


def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(
    "headers",
    [{}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {TOKEN}"}, {"Authorization": "Bearer "}],
    ids=["none", "wrong", "basic", "empty"],
)
def test_no_route_answers_without_the_token(guarded: Flask, route: str, headers: dict[str, str]) -> None:
    answer = client(guarded).get(route, headers=headers)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert "token" in answer.json["error"]
    assert TOKEN not in answer.text


@pytest.mark.parametrize("method", ["post", "put", "head", "options"])
def test_no_method_answers_without_the_token(guarded: Flask, method: str) -> None:
    assert getattr(client(guarded), method)("/app/api/graph/upload").status_code == 401


@pytest.mark.parametrize("route", ["/app/scalar", "/app/api/runs", "/app/embeddings/api/v1/runs", "/alive"])
def test_the_header_opens_every_route(guarded: Flask, route: str) -> None:
    answer = client(guarded).get(route, headers={"Authorization": f"bearer {TOKEN}", "Accept-Language": "en"})
    assert answer.status_code in (200, 204)


def test_a_link_with_the_token_opens_the_pages_and_leaves_no_token_behind(guarded: Flask) -> None:
    browser = client(guarded)
    assert browser.get(f"/app/embeddings/?token={TOKEN}x", headers=PAGE).status_code == 401
    welcome = browser.get(f"/app/embeddings/?token={TOKEN}&run=a%26b&x=%22%3E", headers=PAGE)
    assert welcome.status_code == 200
    assert 'content="0;url=/app/embeddings/?run=a%26b&amp;x=%22%3E"' in welcome.text
    assert TOKEN not in welcome.text
    cookie = welcome.headers["Set-Cookie"]
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
    assert TOKEN not in cookie
    assert welcome.headers["Referrer-Policy"] == "no-referrer"
    assert browser.get("/app/embeddings/", headers=PAGE).status_code == 200
    assert browser.get("/app/api/runs").status_code == 200
    assert client(guarded).get("/app/api/runs").status_code == 401


def test_the_welcome_leads_nowhere_else(guarded: Flask) -> None:
    for path in ("//evil.example/x", "/\\evil.example/x", "///evil.example"):
        welcome = client(guarded).get(f"/x?token={TOKEN}", headers=PAGE, environ_overrides={"PATH_INFO": path})
        target = re.search(r'url=([^"]*)"', welcome.text)
        assert target is not None
        assert re.match(r"/[a-z%]", target[1]), target[1]
    assert "<script" not in welcome.text


def test_an_api_call_may_carry_the_token_in_its_address(guarded: Flask) -> None:
    assert client(guarded).get(f"/app/embeddings/api/v1/runs?token={TOKEN}").status_code == 200


def test_people_are_told_in_two_languages(guarded: Flask) -> None:
    answer = client(guarded).get("/app/embeddings/", headers=PAGE)
    assert answer.status_code == 401
    assert "令牌" in answer.text
    assert "token" in answer.text


def test_tokens_of_two_servers_do_not_open_one_another(source: RunSource, guarded: Flask) -> None:
    other = make_server(source, token="other", visualdl=False)
    browser = client(other)
    browser.get("/app/embeddings/?token=other", headers=PAGE)
    assert browser.get("/app/embeddings/api/v1/runs").status_code == 200
    cookie = next(iter(browser._cookies.values()))
    stranger = client(guarded)
    stranger.set_cookie(cookie.key, cookie.value)
    assert stranger.get("/app/embeddings/api/v1/runs").status_code == 401


@pytest.mark.parametrize("token", ["", " ", "two words", "tab\t", "令牌"])
def test_a_token_that_cannot_be_sent_is_refused(source: RunSource, token: str) -> None:
    with pytest.raises(ValueError, match="token is made of"):
        make_server(source, token=token, visualdl=False)


HOSTS = {
    "localhost": True,
    "localhost:8040": True,
    "127.0.0.1:9000": True,
    "[::1]:80": True,
    "evil.example": False,
    "evil.example:8040": False,
    "localhost.evil.example": False,
    "192.168.1.7": False,
}


@pytest.mark.parametrize("named", HOSTS)
@pytest.mark.parametrize("route", ["/app/api/runs", "/app/embeddings/api/v1/runs"])
def test_a_name_that_another_has_pointed_here_is_refused(open_app: Flask, named: str, route: str) -> None:
    answer = client(open_app).get(route, headers={"Host": named})
    assert answer.status_code == (200 if HOSTS[named] else 403)


def test_a_server_for_the_network_answers_to_addresses(source: RunSource) -> None:
    app = make_server(source, host="0.0.0.0", visualdl=False)
    route = "/app/embeddings/api/v1/runs"
    assert client(app).get(route, headers={"Host": "192.168.1.7:8040"}).status_code == 200
    assert client(app).get(route, headers={"Host": "evil.example"}).status_code == 403
    named = make_server(source, host="gpu.example", visualdl=False)
    assert client(named).get(route, headers={"Host": "gpu.example:8040"}).status_code == 200


@pytest.mark.parametrize("route", ["/app/api/graph/upload", "/app/api/runs", "/app/embeddings/api/v1/runs"])
def test_pages_of_other_sites_are_not_answered(open_app: Flask, route: str) -> None:
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:9999"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
    ):
        assert client(open_app).get(route, headers={"Host": "localhost", **headers}).status_code == 403
        assert client(open_app).post(route, headers={"Host": "localhost", **headers}).status_code == 403
    own = {"Host": "localhost:8040", "Origin": "http://localhost:8040"}
    assert client(open_app).get("/app/api/runs", headers=own).status_code == 200
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert client(open_app).get("/app/embeddings/", headers=link).status_code == 200


def test_our_page_has_a_policy_and_visualdls_have_none(open_app: Flask) -> None:
    for route in ("/app/embeddings/", "/app/embeddings/api/v1/runs", "/app/embeddings/assets/bar.js"):
        assert client(open_app).get(route).headers["Content-Security-Policy"] == PAGE_POLICY
    assert "unsafe-inline" not in PAGE_POLICY.split("style-src")[0]
    assert "Content-Security-Policy" not in client(open_app).get("/app/scalar").headers


ESCAPES = [
    "".join(parts)
    for parts in itertools.product(
        ["/app/embeddings/", "/app/embeddings/assets/", "/app/", "/app/embeddings/api/v1/"],
        ["../" * 8, "..%2f" * 8, "%2e%2e/" * 8, "..\\" * 8, "/" * 2, "assets/" + "../" * 9, "%00"],
        ["etc/passwd"],
    )
]


@pytest.mark.parametrize("address", ESCAPES)
def test_no_address_leads_to_a_file_outside(open_app: Flask, address: str) -> None:
    answer = client(open_app).get(address)
    assert b"root:" not in answer.data
    if answer.status_code == 200:
        # VisualDL answers with its page to every address below its own.
        assert b"<div id=root>" in answer.data


def test_the_page_says_how_it_is_got_where_it_is_not_built(
    source: RunSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from visualdl_embedding.server import _app

    monkeypatch.setattr(_app, "STATIC", tmp_path / "static")
    asked = client(make_server(source, visualdl=False, language="zh", theme="dark"))
    answer = asked.get("/app/embeddings/")
    assert answer.status_code == 200
    assert "npm run build" in answer.text
    assert "页面尚未构建" in answer.text
    assert '<html data-theme="dark"' in answer.text
    assert answer.headers["Set-Cookie"].startswith("vdl_lng=zh;")
    (tmp_path / "static" / "assets").mkdir(parents=True)
    (tmp_path / "static" / "index.html").write_text("<html>built</html>")
    (tmp_path / "static" / "assets" / "index.js").write_text("built")
    (tmp_path / "secret.js").write_text("secret")
    assert asked.get("/app/embeddings/").text == '<html data-theme="dark">built</html>'
    assert asked.get("/app/embeddings/assets/index.js").text == "built"
    assert asked.get("/app/embeddings/assets/../../secret.js").status_code == 404
    assert "npm run build" not in asked.get("/app/embeddings/assets/bar.js").text


def test_the_entry_is_in_every_page_of_visualdl_and_in_nothing_else(open_app: Flask) -> None:
    browser = client(open_app)
    script = '<script src="/app/embeddings/assets/bar.js"></script></body>'
    for page in ("scalar", "high-dimensional", "sample/image", "index"):
        assert script in browser.get(f"/app/{page}").text
    assert "bar.js" not in browser.get("/app/embeddings/").text
    assert "bar.js" not in browser.get("/app/_dist_/index.js").text


def test_another_public_path(source: RunSource) -> None:
    browser = client(make_server(source, public_path="/tools/vdl/"))
    assert '<script src="/tools/vdl/embeddings/assets/bar.js">' in browser.get("/tools/vdl/scalar").text
    assert browser.get("/tools/vdl/embeddings/api/v1/runs").status_code == 200
    assert browser.get("/tools/vdl/api/runs").json["status"] == 0
    for path in ("/", "", "app", '/a"b', "/a b", "//"):
        with pytest.raises(ValueError, match="public path"):
            make_server(source, public_path=path, visualdl=False)


def test_two_applications_in_one_process_keep_apart(tmp_path: Path) -> None:
    for name in ("one", "two"):
        make_run(tmp_path / name / "a", steps=[0])
    apps = {
        name: client(make_server(RunSource(str(tmp_path / name)), public_path=f"/{name}")) for name in ("one", "two")
    }
    for name, browser in apps.items():
        assert browser.get(f"/{name}/api/scalar/tags").json["data"]["runs"] == [str(tmp_path / name / "a")]
        assert f'"/{name}/__snowpack__' in browser.get(f"/{name}/scalar").text.replace("=/", '="/')


@pytest.mark.parametrize(("option", "value"), [("language", "fr"), ("theme", "pink")])
def test_an_option_that_cannot_be_meant_is_refused(source: RunSource, option: str, value: str) -> None:
    with pytest.raises(ValueError, match=f"{option} is"):
        make_server(source, visualdl=False, **{option: value})  # type: ignore[arg-type]
