"""The API against its own description, with requests that schemathesis makes up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from visualdl_embedding.server import RunSource, make_server
from visualdl_embedding.server._openapi import SCHEMAS

schemathesis = pytest.importorskip("schemathesis")

DOCUMENT = "/app/embeddings/api/v1/openapi.json"
KNOWN = {
    "run": "a",
    "table": "word",
    "step": 50,
    "projection": "tsne",
    "row": 3,
    "rows": "1,2",
    "name": "norm",
    "run_a": "a",
    "table_a": "word",
    "step_a": 50,
    "run_b": "nested/b",
    "table_b": "word",
    "step_b": 100,
    "side": "b",
}


@pytest.fixture(scope="module")
def app(two_runs: Path) -> Flask:
    return make_server(RunSource(two_runs / "runs"), visualdl=False)


@pytest.mark.parametrize("mode", ["positive", "negative"])
@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_it_answers_made_up_requests_as_it_is_described(app: Flask, name: str, mode: str) -> None:
    # Not by schemathesis' plugin, which counts on inner names of pytest.
    from schemathesis.generation import GenerationMode

    operation = schemathesis.openapi.from_wsgi(DOCUMENT, app)[f"/{name}"]["GET"]
    if mode == "negative" and not any(parameter["required"] for parameter in parameters_of(app, name)):
        pytest.skip("What takes nothing can be asked nothing wrong.")

    @given(case=operation.as_strategy(generation_mode=GenerationMode(mode)), known=st.booleans())
    @settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
    def ask(case: Any, known: bool) -> None:
        # Made-up names are never found: half of what is well asked is asked of a run that is there.
        if known and mode == "positive" and isinstance(case.query, dict):
            case.query.update({name: value for name, value in KNOWN.items() if name in case.query})
        # Its WSGI transport asks for gzip and does not unpack it.
        case.call_and_validate(headers={"Accept-Encoding": "identity"})

    ask()


def parameters_of(app: Flask, name: str) -> list[dict[str, Any]]:
    return app.test_client().get(DOCUMENT).json["paths"][f"/{name}"]["get"]["parameters"]


def test_every_answer_has_its_schema(app: Flask) -> None:
    document = app.test_client().get(DOCUMENT).json
    assert document["openapi"] == "3.1.0"
    assert {path.removeprefix("/") for path in document["paths"]} == set(SCHEMAS)
    assert document["servers"] == [{"url": "/app/embeddings/api/v1"}]


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_a_good_request_is_answered_by_its_schema(app: Flask, name: str) -> None:
    import jsonschema

    document = app.test_client().get(DOCUMENT).json
    operation = document["paths"][f"/{name}"]["get"]
    query = {p["name"]: KNOWN[p["name"]] for p in operation["parameters"] if p["required"]}
    if name == "compare-frame":
        query["how"] = "procrustes"
    answer = app.test_client().get(f"/app/embeddings/api/v1/{name}", query_string=query)
    assert answer.status_code in (200, 202), answer.text
    (kind,) = operation["responses"]["200"]["content"]
    assert answer.mimetype == kind
    if answer.is_json:
        jsonschema.validate(answer.json, operation["responses"]["200"]["content"][kind]["schema"])
