"""Results over HTTP: one's own, as written, also large ones; those of others are not there."""

import uuid
from typing import Any

import pytest

from manga_enrichment.api.endpoints import ENDPOINTS
from manga_enrichment.aws.gateways import Gateways, open_gateways
from manga_enrichment.local.api_client import ApiClient, api_key
from manga_enrichment.local.stack.local_stack import LocalStack
from manga_enrichment.pipeline.store.object_keys import old_result_document_key, result_document_key
from manga_enrichment.settings import load_settings
from manga_enrichment_tests.end_to_end.front import LIMITS, Front, documented

PATH = ENDPOINTS["results"].path
RESULTS = PATH.removesuffix("{request_id}")


@pytest.fixture
def gateways(aws_environment: dict[str, str]) -> Gateways:
    del aws_environment
    return open_gateways(load_settings())


@pytest.fixture
def front(local_stack: LocalStack) -> Front:
    return Front(local_stack)


def document_of(request_id: str, partner_id: str, items: int = 1) -> dict[str, Any]:
    item = {
        "position": 0,
        "reference": "棚 3",
        "manga_id": "MNG-00000001",
        "analysis_type": "content_summary",
        "status": "succeeded",
        "answer": {"summary": "灯台の話 " * 200},
        "error": None,
        "model_id": "m",
        "prompt_version": "1",
        "via": "content_summary",
        "fingerprint": "f",
        "from_cache": False,
        "cost_micro_usd": 5,
        "input_tokens": 9,
        "output_tokens": 2,
    }
    return {
        "result_version": 1,
        "request_id": request_id,
        "partner_id": partner_id,
        "schema": "batch_analysis",
        "reference": None,
        "status": "completed",
        "generation": 1,
        "submitted_at": "2026-01-15T03:00:00+00:00",
        "completed_at": "2026-01-15T03:00:01+00:00",
        "counts": {"items": items},
        "cost_usd": 0.000225,
        "warnings": [],
        "items": [item] * items,
    }


def test_a_partner_fetches_its_own_results_and_nobody_elses(front: Front, gateways: Gateways) -> None:
    (mine, my_id), (other, _) = front.partner(**LIMITS), front.partner(**LIMITS)
    acme = ApiClient(front.url, api_key(front.apigateway, "acme-1"))
    ids = {owner: str(uuid.uuid4()) for owner in (my_id, "acme")}
    for owner, request_id in ids.items():
        gateways.tables.write_json(result_document_key(owner, request_id), document_of(request_id, owner, 100))
    for client, owner in ((mine, my_id), (acme, "acme")):
        answer = client.call("GET", RESULTS + ids[owner])
        documented(PATH, "GET", answer.status, answer.document)
        assert (answer.status, answer.document["data"]) == (200, document_of(ids[owner], owner, 100))
    nobody = other.call("GET", RESULTS + str(uuid.uuid4()))
    documented(PATH, "GET", nobody.status, nobody.document)
    for client, request_id in (
        (other, ids["acme"]),
        (mine, ids["acme"]),
        (acme, ids[my_id]),
        (acme, ids["acme"].upper()),
    ):
        refused = client.call("GET", RESULTS + request_id)
        assert (refused.status, refused.document["error"]) == (404, nobody.document["error"]), request_id
    for hostile in (f"..%2Facme%2F{ids['acme']}", f"..%2f{ids['acme']}", f"{ids['acme']}%00", "x"):
        assert other.call("GET", RESULTS + hostile).status == 404


def test_an_old_document_is_not_handed_out_until_it_is_moved(front: Front, gateways: Gateways) -> None:
    mine, my_id = front.partner(**LIMITS)
    request_id = str(uuid.uuid4())
    gateways.tables.write_json(old_result_document_key(request_id), document_of(request_id, my_id))
    assert mine.call("GET", RESULTS + request_id).status == 404
