"""The part of the demo that goes through the request front: one batch over HTTP, with a partner's API key.

Belongs here: sending it as a partner does. Stays out: the other batches and the account (`partners.py`).
"""

import json
from pathlib import Path

from manga_enrichment.api.endpoints import ENDPOINTS
from manga_enrichment.local.api_client import ApiClient, api_key, api_url
from manga_enrichment.local.stack.endpoints import LocalEndpoints
from manga_enrichment.local.stack.provision import emulator_client

KEY_NAME = "acme-1"  # of infra/partners.json


class ApiRefusedError(RuntimeError):
    """The request front answered otherwise than it should; says how."""


def send_over_http(endpoints: LocalEndpoints, file: Path) -> str:
    """POST the batch in a file and return its request id. Raises ApiRefusedError.

    No callback: the API takes https alone, and nobody on this machine has a certificate.
    """
    apigateway = emulator_client("apigateway", endpoints.emulator_url)
    url = api_url(endpoints.emulator_url, endpoints.outputs)
    client = ApiClient(url, api_key(apigateway, KEY_NAME))
    answer = client.call("POST", ENDPOINTS["batch"].path, json.loads(file.read_text("utf-8")))
    if answer.status != 202:
        raise ApiRefusedError(f"POST of {file.name} was answered with {answer.status}: {answer.document}")
    return str(answer.document["data"]["request_id"])
