"""A night that is struck, and the next one that is not.

Belongs here: one cell of the matrix over the nightly job. Stays out: the rules (`judge.py`).
"""

from manga_enrichment_tests.chaos.cells import Cell
from manga_enrichment_tests.chaos.faults import Service
from manga_enrichment_tests.chaos.judge import GRACE_SECONDS, Auditor, Facts, needless
from manga_enrichment_tests.chaos.processes import run_night
from manga_enrichment_tests.chaos.stage import Stage, environment_of

HEALING_SECONDS = 120.0
_LATER_SECONDS = 3_600.0
"""The next night comes when all claims and leases of the first are over."""


def struck_night(stage: Stage, cell: Cell) -> Facts:
    """Run it, heal it, read the books."""
    folder = stage.clear()
    clock = stage.clock(folder)
    stage.proxies.arm(cell.begins, cell.service, cell.stroke)
    struck_before = stage.proxies.struck()[cell.stroke.fault]
    ending = run_night(stage.through_proxies(), clock, folder, cell.stroke.seconds + GRACE_SECONDS)
    stage.proxies.end()
    clock.advance(_LATER_SECONDS)
    healing_began = clock.now()
    with environment_of(stage.direct()):
        auditor = Auditor(stage.stack)
        answered = auditor.account(clock.now()).answers
        healing = run_night(stage.direct(), clock, folder, HEALING_SECONDS)
        return Facts(
            struck=stage.proxies.struck()[cell.stroke.fault] - struck_before,
            seconds=cell.stroke.seconds,
            ending=ending,
            account=auditor.account(clock.now()),
            lost=tuple(auditor.lost_titles()),
            unhealed=(*healing.reasons, *auditor.waiting_titles()),
            needless=needless(auditor.sent_since(healing_began), answered),
            may_fail=cell.may_fail,
            model_struck=cell.service is Service.BEDROCK,
        )
