"""A command line over the local stack, and status rows to look at without running anything."""

from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner, Result

from manga_enrichment.aws.gateways import Gateways, open_gateways
from manga_enrichment.cli import main
from manga_enrichment.domain.requests.claims import Claimed
from manga_enrichment.domain.requests.states import RequestState
from manga_enrichment.settings import load_settings
from manga_enrichment_tests.request_rows import make_row as row_of

Command = Callable[..., Result]
MakeRow = Callable[..., None]


@pytest.fixture
def command() -> Command:
    """Run `manga-enrichment` with these words; the result, whatever the exit code."""
    return lambda *words: CliRunner().invoke(main, [str(word) for word in words])


@pytest.fixture
def gateways(aws_environment: dict[str, str]) -> Gateways:
    return open_gateways(load_settings())


@pytest.fixture
def make_row(gateways: Gateways) -> MakeRow:
    """A request that has come this far: make_row(request_id, RequestState.QUEUED, RequestState.PROCESSING, counts=...).

    Fields go into the last state.
    """

    def make(request_id: str, *states: RequestState, **fields: Any) -> None:
        claimed = gateways.requests.claim(row_of(gateways.clock, request_id=request_id), gateways.clock.now())
        assert isinstance(claimed, Claimed)
        row = claimed.row
        for state in states:
            last = fields if state is states[-1] else {}
            gateways.requests.update(request_id, row.owner, row.generation, state, **last)

    return make
