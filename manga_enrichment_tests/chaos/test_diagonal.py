"""The quick diagonal of the matrix: each cell is a night or a drain that is struck, healed and judged."""

from collections.abc import Iterator

import pytest

from manga_enrichment.local.stack.local_stack import LocalStack
from manga_enrichment_tests.chaos.cells import Cell, diagonal
from manga_enrichment_tests.chaos.judge import judge
from manga_enrichment_tests.chaos.proxies import FaultProxies
from manga_enrichment_tests.chaos.running import run_cell
from manga_enrichment_tests.chaos.stage import Stage


@pytest.fixture(scope="module")
def stage(local_stack: LocalStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with FaultProxies(local_stack.endpoints) as proxies:
        stage = Stage(local_stack, proxies, tmp_path_factory.mktemp("chaos"))
        yield stage
        stage.clear()
        stage.model.reset()


@pytest.mark.slow
@pytest.mark.parametrize("cell", diagonal(), ids=str)
def test_whatever_strikes_nothing_is_lost_and_the_books_hold_the_bill(cell: Cell, stage: Stage) -> None:
    broken = {rule.name: rule.said for rule in judge(run_cell(stage, cell)) if not rule.holds}
    assert not broken
