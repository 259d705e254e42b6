"""An error document of S3 that breaks off: away like everything else that is, and tried again where answers are.

The SDK reads the error documents of GetObject outside of what it tries again and translates, so such an error is no
error of the SDK's.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from manga_enrichment.aws.bedrock.batch import BedrockBatch
from manga_enrichment.aws.clients import AwsClients
from manga_enrichment.aws.erasure import AwsErasure
from manga_enrichment.aws.s3.catalog_source import catalog_source
from manga_enrichment.aws.s3.objects import S3ObjectStore
from manga_enrichment.gateways.erasure import ObjectVersion
from manga_enrichment.gateways.errors import BatchUnavailableError, StoreUnavailableError
from manga_enrichment_tests.aws.raw_server import Respond, answering, raw_server

DOCUMENT = b"<Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message></Error>"
MISSING = answering(DOCUMENT, status="404 Not Found")
HALF_MISSING = answering(DOCUMENT[:20], status="404 Not Found", length=len(DOCUMENT))
HALF_BUSY = answering(b"<Error><Code>Slow", status="503 Slow Down", length=200)
HEAD = answering(b"", headers='ETag: "1"\r\n', length=5)
LISTED = answering(b"<ListBucketResult><Contents><Key>out/j/a.jsonl.out</Key></Contents></ListBucketResult>")

Read = Callable[[AwsClients], Any]


def _erasure(clients: AwsClients) -> AwsErasure:
    tables = dict.fromkeys(("status_table", "outbox_table", "ledger_table"), "none")
    return AwsErasure(clients.s3, clients.dynamodb, bucket="bucket", **tables)


def _download(clients: AwsClients) -> None:
    with catalog_source(clients.s3, "s3://bucket/catalog.csv").local_copy():
        pass


def _replies(clients: AwsClients) -> None:
    list(BedrockBatch(clients, bucket="bucket", role_arn="").replies("out/", "arn/j"))


async def outcome(monkeypatch: pytest.MonkeyPatch, read: Read, *responses: Respond) -> tuple[Any, int]:
    """What `read` says to a bucket that answers so, the last again and again; how many requests it took."""

    async def respond(writer: asyncio.StreamWriter) -> None:
        await responses[min(len(seen), len(responses)) - 1](writer)

    async with raw_server(respond) as (url, seen):
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", url)
        try:
            return await asyncio.to_thread(read, AwsClients()), len(seen)
        except (StoreUnavailableError, BatchUnavailableError) as error:
            return error, len(seen)


async def test_a_missing_object_is_missing_though_the_word_for_it_broke_off(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(clients: AwsClients) -> Any:
        return S3ObjectStore(clients.s3, bucket="bucket").read_json("enrichment/a.json")

    assert await outcome(monkeypatch, read, HALF_MISSING, MISSING) == (None, 2)


@pytest.mark.parametrize(
    ("read", "before", "error"),
    [
        (lambda clients: S3ObjectStore(clients.s3, bucket="bucket").read_text("a"), (), StoreUnavailableError),
        (lambda clients: _erasure(clients).read(ObjectVersion("a", "v", True, False)), (), StoreUnavailableError),
        (_download, (HEAD,), StoreUnavailableError),
        (_replies, (LISTED,), BatchUnavailableError),
    ],
    ids=["objects", "versions", "catalog", "batch"],
)
async def test_a_store_whose_error_documents_break_off_is_away(
    read: Read, before: tuple[Respond, ...], error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    raised, requests = await outcome(monkeypatch, read, *before, HALF_BUSY)
    assert isinstance(raised, error)
    assert "IncompleteRead" in str(raised)
    assert requests > len(before)
