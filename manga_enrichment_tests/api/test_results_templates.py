"""Fetching results: which object is asked for, whatever a client sends, and what a client gets."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manga_enrichment.api.checking import SAMPLE_KEY_ID, STAGE_VARIABLES, sample_context
from manga_enrichment.api.registry import TemplateRegistry, with_partners
from manga_enrichment.api.rendering import Rendered, TemplateInput, render
from manga_enrichment.local.stack.api_gateway import _object_path
from manga_enrichment_tests.request_bodies import REQUEST_ID

REGISTRY = TemplateRegistry()
URI = "arn:aws:apigateway:ap-northeast-1:s3:path/bucket/fm-results/{partner}/{document}"


def asked(request_id: str, partners: dict[str, str] | None = None) -> Rendered:
    template = with_partners(REGISTRY.get("results"), partners or {})
    given_ = TemplateInput(path={"request_id": request_id}, context=sample_context(), stage_variables=STAGE_VARIABLES)
    return render(template, given_)


def answered(status: int, body: str) -> Rendered:
    return render(REGISTRY.get("results", status), TemplateInput(body, context=sample_context(REQUEST_ID)))


@pytest.mark.parametrize(("partners", "partner"), [({}, SAMPLE_KEY_ID), ({SAMPLE_KEY_ID: "acme"}, "acme")])
def test_the_object_is_below_the_partner_that_the_key_says(partners: dict[str, str], partner: str) -> None:
    rendered = asked(REQUEST_ID, partners)
    assert rendered.path == {"partner": partner, "document": f"{REQUEST_ID}.json"}
    assert rendered.text.strip() == ""
    assert _object_path(URI, rendered.path) == f"bucket/fm-results/{partner}/{REQUEST_ID}.json"


@given(st.text() | st.sampled_from([REQUEST_ID.upper(), f"../rival/{REQUEST_ID}", f"{REQUEST_ID}\n", "", "%2e%2e%2f"]))
def test_what_is_no_id_asks_for_nothing_that_there_is(request_id: str) -> None:
    expected = f"{request_id}.json" if request_id == REQUEST_ID else "none.json"
    assert asked(request_id, {SAMPLE_KEY_ID: "acme"}).path == {"partner": "acme", "document": expected}


def test_the_document_comes_as_it_was_written() -> None:
    document = {"request_id": REQUEST_ID, "items": [{"answer": {"text": "'\"\\ 漢 🐉\n"}}], "cost_usd": 0.000225}
    told = json.loads(answered(200, json.dumps(document)).text)
    assert (told["success"], told["data"], told["metadata"]["request_id"]) == (True, document, REQUEST_ID)


@pytest.mark.parametrize(
    ("status", "body", "code", "overridden"),
    [
        (404, "<Error><Code>NoSuchKey</Code></Error>", "NOT_FOUND", None),
        (500, "<Error><Code>AccessDenied</Code><Resource>arn:aws:s3</Resource></Error>", "INTERNAL_ERROR", None),
        (200, "<Error/>", "INTERNAL_ERROR", 500),
        (200, "[]", "INTERNAL_ERROR", 500),
    ],
)
def test_what_else_s3_says_stays_with_us(status: int, body: str, code: str, overridden: int | None) -> None:
    rendered = answered(status, body)
    told: dict[str, Any] = json.loads(rendered.text)
    assert (told["success"], told["error"]["code"], rendered.status) == (False, code, overridden)
    assert "arn:aws" not in rendered.text
