"""Runs any cell.

Belongs here: which kind of work a cell is. Stays out: the work (`night.py`, `drain.py`).
"""

from manga_enrichment_tests.chaos.cells import Cell, Work
from manga_enrichment_tests.chaos.drain import struck_drain
from manga_enrichment_tests.chaos.judge import Facts
from manga_enrichment_tests.chaos.night import struck_night
from manga_enrichment_tests.chaos.stage import Stage


def run_cell(stage: Stage, cell: Cell) -> Facts:
    """What the cell ended with, for `judge`."""
    return struck_night(stage, cell) if cell.work is Work.NIGHT else struck_drain(stage, cell)
