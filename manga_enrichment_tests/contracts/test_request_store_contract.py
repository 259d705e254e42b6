"""RequestStore: one owner at a time, generations only grow, and nobody writes over a row that is no longer theirs."""

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from manga_enrichment.aws.clients import AwsClients
from manga_enrichment.aws.dynamodb.request_items import to_item
from manga_enrichment.aws.dynamodb.requests import DynamoDBRequests
from manga_enrichment.domain.requests.claims import UNCLAIMED_KEY, AlreadyFinal, AlreadyLive, Claimed, RequestRow
from manga_enrichment.domain.requests.states import RequestState, TransitionError
from manga_enrichment.gateways.errors import FencedError
from manga_enrichment.gateways.requests import RequestStore
from manga_enrichment.local.stack.local_stack import LocalStack
from manga_enrichment_tests.fake_clock import FakeClock
from manga_enrichment_tests.request_fakes import MemoryRequests
from manga_enrichment_tests.request_rows import accepted_row, make_row

SECOND = timedelta(seconds=1)
LATER = timedelta(minutes=2)


@pytest.fixture
def requests(kind: str, clock: FakeClock, request: pytest.FixtureRequest) -> RequestStore:
    if kind == "fake":
        return MemoryRequests(clock)
    stack: LocalStack = request.getfixturevalue("local_stack")
    clients: AwsClients = request.getfixturevalue("aws_clients")
    return DynamoDBRequests(clients.dynamodb, clock, table=stack.outputs["RequestStatusTableName"])


@pytest.fixture
def accept(kind: str, requests: RequestStore, request: pytest.FixtureRequest) -> Callable[[RequestRow], None]:
    """Writes a row as the request front does."""
    if isinstance(requests, MemoryRequests):
        return requests.accept
    stack: LocalStack = request.getfixturevalue("local_stack")
    clients: AwsClients = request.getfixturevalue("aws_clients")
    table = stack.outputs["RequestStatusTableName"]

    def put(row: RequestRow) -> None:
        waits = {UNCLAIMED_KEY: {"S": row.queue}, "version": {"N": "0"}}
        clients.dynamodb.put_item(TableName=table, Item={**to_item(row), **waits})

    return put


def claimed(requests: RequestStore, row: RequestRow, clock: FakeClock) -> RequestRow:
    decision = requests.claim(row, clock.now())
    assert isinstance(decision, Claimed)
    return decision.row


def settled(requests: RequestStore, row: RequestRow, state: RequestState, **fields: str) -> RequestRow:
    requests.update(row.request_id, row.owner, row.generation, RequestState.PROCESSING)
    return requests.update(row.request_id, row.owner, row.generation, state, **fields)


def test_a_new_request_is_claimed_as_its_first_generation_and_reads_back_equal(
    requests: RequestStore, clock: FakeClock
) -> None:
    told = {"accepted_at": clock.now(), "claimed_at": clock.now() + SECOND, "model_seconds": 1.25}
    spent = {"counts": {"succeeded": 2}, "cost_micro_usd": 1, "input_tokens": 3}
    wanted = make_row(clock, **told, **spent, group_id="g", generation=77, reopened=True)
    decision = requests.claim(wanted, clock.now())
    assert decision == Claimed(replace(wanted, generation=1, reopened=False))
    assert requests.get(wanted.request_id) == decision.row
    assert requests.get(str(uuid.uuid4())) is None


def test_a_duplicate_of_a_live_request_only_refreshes_the_receipt_handle(
    requests: RequestStore, clock: FakeClock
) -> None:
    first = claimed(requests, make_row(clock, owner="a"), clock)
    again = replace(first, owner="b", receipt_handle="newer", message_id="m-2", queue="manga-fm-low-priority")
    live = replace(first, receipt_handle="newer", message_id="m-2", queue="manga-fm-low-priority")
    assert requests.claim(again, clock.now()) == AlreadyLive(live)
    assert requests.get(first.request_id) == live
    assert requests.claim(again, first.lease_until) == AlreadyLive(live)


def test_after_the_lease_the_next_generation_takes_over_and_keeps_what_was_paid(
    requests: RequestStore, clock: FakeClock
) -> None:
    first = claimed(requests, make_row(clock, owner="a", body_key="bodies/1"), clock)
    requests.update(first.request_id, "a", 1, cost_micro_usd=1_234_567, input_tokens=10, output_tokens=5)
    clock.advance(120)
    wanted = make_row(clock, request_id=first.request_id, owner="b", state=RequestState.RECEIVED, reopened=True)
    row = claimed(requests, wanted, clock)
    assert not row.reopened, "a redrive opens it for one claim"
    assert (row.generation, row.owner, row.state, row.body_key) == (2, "b", RequestState.RECEIVED, "bodies/1")
    assert (row.cost_micro_usd, row.input_tokens, row.output_tokens) == (1_234_567, 10, 5)
    assert requests.get(first.request_id) == row


@pytest.mark.parametrize("state", [RequestState.ACCEPTED, RequestState.PROCESSING])
def test_a_message_that_was_sent_once_more_does_not_move_when_the_request_was_submitted(
    requests: RequestStore, accept: Callable[[RequestRow], None], clock: FakeClock, state: RequestState
) -> None:
    submitted_at = clock.now()
    row = accepted_row(clock, submitted_at=submitted_at)
    accept(row)
    if state is RequestState.PROCESSING:
        claimed(requests, make_row(clock, request_id=row.request_id, owner="killed"), clock)
    clock.advance(3_600)
    taken = claimed(requests, make_row(clock, request_id=row.request_id, submitted_at=clock.now()), clock)
    assert taken.submitted_at == submitted_at
    assert requests.get(row.request_id) == taken


def test_when_a_rejected_request_was_submitted_its_message_says(requests: RequestStore, clock: FakeClock) -> None:
    """Nobody could read it when the request was rejected, so its row has the time at which SQS took it."""
    submitted_at = clock.now()
    closed = claimed(requests, make_row(clock, state=RequestState.REJECTED, submitted_at=submitted_at + SECOND), clock)
    assert requests.reopen(closed.request_id)
    taken = claimed(requests, make_row(clock, request_id=closed.request_id, submitted_at=submitted_at), clock)
    assert taken.submitted_at == submitted_at


def test_a_lease_that_a_clock_far_ahead_wrote_holds_nobody_up(requests: RequestStore, clock: FakeClock) -> None:
    """Of a queue with two minutes, the latest that a clock which is right can write ends in two minutes.

    Where clocks may be off by ten minutes, one that is ahead by as much may have written it.
    """
    tolerated = timedelta(seconds=600)
    for seconds, skew, decision in (
        (240, 0 * SECOND, AlreadyLive),
        (241, 0 * SECOND, Claimed),
        (840, tolerated, AlreadyLive),
        (841, tolerated, Claimed),
    ):
        lease_until = clock.now() + timedelta(seconds=seconds)
        first = claimed(requests, make_row(clock, owner="a", lease_until=lease_until), clock)
        again = make_row(clock, request_id=first.request_id, owner="b")
        assert isinstance(requests.claim(again, clock.now() - skew), decision)


def test_a_zombies_writes_are_refused(requests: RequestStore, clock: FakeClock) -> None:
    first = claimed(requests, make_row(clock, owner="a"), clock)
    clock.advance(120)
    second = claimed(requests, make_row(clock, request_id=first.request_id, owner="b"), clock)
    for state in (None, RequestState.PROCESSING, RequestState.COMPLETED):
        with pytest.raises(FencedError):
            requests.update(first.request_id, "a", 1, state, result_key="zombie")
    with pytest.raises(FencedError):
        requests.update(first.request_id, "b", 1, RequestState.PROCESSING)
    with pytest.raises(FencedError):
        requests.update(first.request_id, "a", 2, RequestState.PROCESSING)
    assert requests.get(first.request_id) == second


def test_a_request_that_does_not_exist_cannot_be_written(requests: RequestStore, clock: FakeClock) -> None:
    name = str(uuid.uuid4())
    with pytest.raises(FencedError):
        requests.update(name, "a", 1, RequestState.PROCESSING)
    requests.set_callback_state(name, RequestState.COMPLETED, "delivered")
    assert requests.get(name) is None


def test_an_accepted_request_is_nobodys_and_its_first_claim_keeps_what_the_front_wrote(
    requests: RequestStore, accept: Callable[[RequestRow], None], clock: FakeClock
) -> None:
    accepted = accepted_row(clock)
    accept(accepted)
    assert requests.get(accepted.request_id) == accepted
    wanted = make_row(clock, request_id=accepted.request_id, owner="b")
    with pytest.raises(FencedError):
        requests.update(accepted.request_id, "b", 1)
    rival = replace(wanted, partner_id="rival")
    assert requests.claim(rival, clock.now()) == AlreadyLive(accepted)
    row = claimed(requests, wanted, clock)
    assert row == replace(wanted, generation=1, accepted_at=accepted.accepted_at, item_count=3)
    assert requests.get(accepted.request_id) == row
    assert isinstance(requests.claim(replace(wanted, owner="c"), clock.now()), AlreadyLive)


def test_an_accepted_request_that_breaks_the_rules_is_closed(
    requests: RequestStore, accept: Callable[[RequestRow], None], clock: FakeClock
) -> None:
    accepted = accepted_row(clock)
    accept(accepted)
    wanted = make_row(clock, request_id=accepted.request_id, state=RequestState.REJECTED, reason="invalid_body")
    assert claimed(requests, wanted, clock).state is RequestState.REJECTED
    assert isinstance(requests.claim(replace(wanted, state=RequestState.RECEIVED), clock.now()), AlreadyFinal)


@pytest.mark.parametrize("state", [RequestState.DEFERRED, RequestState.FAILED])
def test_deferred_and_crashed_requests_need_not_wait_for_the_lease(
    requests: RequestStore, clock: FakeClock, state: RequestState
) -> None:
    first = claimed(requests, make_row(clock), clock)
    settled(requests, first, state, error_class="crashed")
    row = claimed(requests, make_row(clock, request_id=first.request_id), clock)
    assert (row.generation, row.state, row.error_class) == (2, RequestState.RECEIVED, "")


@pytest.mark.parametrize(
    "state", [RequestState.COMPLETED, RequestState.PARTIALLY_COMPLETED, RequestState.FAILED, RequestState.REJECTED]
)
def test_a_request_that_the_partner_was_told_about_is_final_for_ever(
    requests: RequestStore, clock: FakeClock, state: RequestState
) -> None:
    first = claimed(requests, make_row(clock), clock)
    row = settled(requests, first, state, result_key="results/1.json")
    clock.advance(86_400)
    assert requests.claim(make_row(clock, request_id=first.request_id), clock.now()) == AlreadyFinal(row)
    assert requests.get(first.request_id) == row


def test_an_invalid_request_is_rejected_by_its_claim(requests: RequestStore, clock: FakeClock) -> None:
    wanted = make_row(clock, state=RequestState.REJECTED, reason="invalid_body", partner_id="")
    row = claimed(requests, wanted, clock)
    assert requests.get(row.request_id) == row
    assert requests.by_partner("", newest=10) == []
    assert isinstance(requests.claim(replace(wanted, state=RequestState.RECEIVED), clock.now()), AlreadyFinal)


def test_an_invalid_message_cannot_take_the_handle_of_a_live_request(requests: RequestStore, clock: FakeClock) -> None:
    live = claimed(requests, make_row(clock), clock)
    forged = replace(live, state=RequestState.REJECTED, receipt_handle="other", message_id="other")
    assert requests.claim(forged, clock.now()) == AlreadyLive(live)
    assert requests.get(live.request_id) == live


@pytest.mark.parametrize("end", [RequestState.REJECTED, RequestState.COMPLETED])
def test_another_partner_cannot_take_over_a_request_by_its_id(
    requests: RequestStore, clock: FakeClock, end: RequestState
) -> None:
    live = claimed(requests, make_row(clock, partner_id="acme"), clock)
    forged = make_row(clock, request_id=live.request_id, partner_id="other", receipt_handle="other")
    for _ in range(2):
        for wanted in (forged, replace(forged, state=RequestState.REJECTED, partner_id="")):
            assert requests.claim(wanted, clock.now()) == AlreadyLive(live)
        assert requests.get(live.request_id) == live
        clock.advance(3600)
    row = settled(requests, live, end)
    assert requests.claim(forged, clock.now()) == AlreadyFinal(row)


@pytest.mark.parametrize("state", [RequestState.FAILED, RequestState.REJECTED])
def test_a_reopened_request_can_be_claimed_once_more(
    requests: RequestStore, clock: FakeClock, state: RequestState
) -> None:
    first = claimed(requests, make_row(clock), clock)
    settled(requests, first, state, result_key="results/1.json")
    assert requests.reopen(first.request_id)
    assert requests.reopen(first.request_id)
    row = claimed(requests, make_row(clock, request_id=first.request_id), clock)
    assert (row.generation, row.reopened) == (2, False)
    assert isinstance(requests.claim(make_row(clock, request_id=first.request_id), clock.now()), AlreadyLive)


def test_an_open_request_is_marked_as_cancelled_whoever_works_at_it_and_the_mark_stays(
    requests: RequestStore, clock: FakeClock, accept: Callable[[RequestRow], None]
) -> None:
    accepted = accepted_row(clock)
    accept(accepted)
    assert requests.cancelled([accepted.request_id]) == set()
    marked = requests.cancel(accepted.request_id)
    assert marked is not None
    assert (marked.state, marked.cancelled_ms) == (RequestState.ACCEPTED, int(clock.now().timestamp() * 1000))
    assert requests.get(accepted.request_id) == marked
    row = claimed(requests, make_row(clock, request_id=accepted.request_id), clock)
    assert (row.generation, row.cancelled_ms) == (1, marked.cancelled_ms)
    row = requests.update(row.request_id, row.owner, row.generation, RequestState.PROCESSING)
    assert row.cancelled_ms == marked.cancelled_ms
    assert requests.cancelled([row.request_id, str(uuid.uuid4()), row.request_id]) == {row.request_id}
    assert requests.cancel(row.request_id) == row  # once more, at the same time


def test_a_mark_that_comes_between_reading_and_claiming_is_not_lost(requests: RequestStore, clock: FakeClock) -> None:
    first = claimed(requests, make_row(clock), clock)
    requests.update(first.request_id, first.owner, first.generation, RequestState.PROCESSING)
    with ThreadPoolExecutor(2) as threads:
        marking = threads.submit(requests.cancel, first.request_id)
        clock.advance(3600)
        row = claimed(requests, make_row(clock, request_id=first.request_id), clock)
        assert marking.result() is not None
    assert row.generation == 2
    assert requests.cancelled([first.request_id]) == {first.request_id}


@pytest.mark.parametrize(
    "end", [RequestState.COMPLETED, RequestState.CANCELLED, RequestState.FAILED, RequestState.REJECTED]
)
def test_what_has_ended_is_not_marked(requests: RequestStore, clock: FakeClock, end: RequestState) -> None:
    row = settled(requests, claimed(requests, make_row(clock), clock), end, result_key="results/1.json")
    assert requests.cancel(row.request_id) == row
    assert requests.cancelled([row.request_id]) == set()
    assert requests.cancel(str(uuid.uuid4())) is None


def test_a_redriven_request_is_wanted_again(requests: RequestStore, clock: FakeClock) -> None:
    first = claimed(requests, make_row(clock), clock)
    requests.cancel(first.request_id)
    settled(requests, first, RequestState.FAILED, result_key="results/1.json")
    assert requests.reopen(first.request_id)
    assert claimed(requests, make_row(clock, request_id=first.request_id), clock).cancelled_ms == 0


def test_hundreds_are_looked_at_in_one_go(requests: RequestStore, clock: FakeClock) -> None:
    rows = [claimed(requests, make_row(clock), clock) for _ in range(7)]
    for row in rows[:3]:
        requests.cancel(row.request_id)
    asked = [str(uuid.uuid4()) for _ in range(230)] + [row.request_id for row in rows]
    assert requests.cancelled(asked) == {row.request_id for row in rows[:3]}


def test_live_and_answered_requests_are_not_reopened(requests: RequestStore, clock: FakeClock) -> None:
    first = claimed(requests, make_row(clock), clock)
    assert not requests.reopen(first.request_id)
    row = settled(requests, first, RequestState.COMPLETED, result_key="results/1.json")
    assert not requests.reopen(first.request_id)
    assert not requests.reopen(str(uuid.uuid4()))
    assert requests.get(first.request_id) == row


def test_a_claim_that_takes_a_request_for_new_finds_out_when_it_is_not(
    requests: RequestStore, accept: Callable[[RequestRow], None], clock: FakeClock
) -> None:
    new = make_row(clock)
    assert requests.claim(new, clock.now(), likely_new=True) == Claimed(replace(new, generation=1))
    again = replace(new, owner="b", receipt_handle="newer")
    live = replace(new, generation=1, receipt_handle="newer")
    assert requests.claim(again, clock.now(), likely_new=True) == AlreadyLive(live)
    accepted = accepted_row(clock)
    accept(accepted)
    wanted = make_row(clock, request_id=accepted.request_id)
    ours = requests.claim(wanted, clock.now(), likely_new=True)
    assert isinstance(ours, Claimed)
    assert (ours.row.generation, ours.row.item_count) == (1, accepted.item_count)
    assert requests.get(wanted.request_id) == ours.row


def test_sixteen_claims_at_once_have_one_winner(requests: RequestStore, clock: FakeClock) -> None:
    same = make_row(clock, owner="same", receipt_handle="same")
    for generation in (1, 2, 3):
        now = clock.now()
        wanted = replace(same, lease_until=now + LATER)
        with ThreadPoolExecutor(16) as threads:
            decisions = list(threads.map(lambda _number: requests.claim(wanted, now), range(16)))  # noqa: B023
        kinds = [type(decision) for decision in decisions]
        assert (kinds.count(Claimed), kinds.count(AlreadyLive)) == (1, 15)
        assert {decision.row.generation for decision in decisions} == {generation}
        clock.advance(121)


def test_a_claim_that_races_with_a_renewal_never_wins_over_it(requests: RequestStore, clock: FakeClock) -> None:
    for _ in range(6):
        first = claimed(requests, make_row(clock, owner="a"), clock)
        now = first.lease_until + SECOND
        rival = replace(make_row(clock, request_id=first.request_id, owner="b"), lease_until=now + LATER)
        with ThreadPoolExecutor(2) as threads:
            renewal = threads.submit(requests.update, first.request_id, "a", 1, lease_until=now + LATER)
            claim = threads.submit(requests.claim, rival, now)
        if isinstance(claim.result(), Claimed):
            assert renewal.exception() is None or isinstance(renewal.exception(), FencedError)
            with pytest.raises(FencedError):
                requests.update(first.request_id, "a", 1)
        else:
            assert renewal.result().owner == "a"
            with pytest.raises(FencedError):
                requests.update(first.request_id, "b", 2)


def test_an_update_moves_on_sets_fields_and_tells_when(requests: RequestStore, clock: FakeClock) -> None:
    first = claimed(requests, make_row(clock), clock)
    clock.advance(5)
    row = requests.update(
        first.request_id, first.owner, 1, RequestState.QUEUED, run_id="run-1", counts={"ask": 3}, cost_micro_usd=10**12
    )
    expected = replace(
        first,
        state=RequestState.QUEUED,
        run_id="run-1",
        counts={"ask": 3},
        cost_micro_usd=10**12,
        updated_at=first.updated_at + 5 * SECOND,
    )
    assert row == expected
    assert requests.get(first.request_id) == expected


def test_a_state_that_may_not_follow_is_refused(requests: RequestStore, clock: FakeClock) -> None:
    first = claimed(requests, make_row(clock), clock)
    with pytest.raises(TransitionError):
        requests.update(first.request_id, first.owner, 1, RequestState.COMPLETED)
    row = settled(requests, first, RequestState.COMPLETED)
    for state in (RequestState.PROCESSING, RequestState.FAILED):
        with pytest.raises(TransitionError):
            requests.update(first.request_id, first.owner, 1, state)
    assert requests.get(first.request_id) == row
    assert requests.update(first.request_id, first.owner, 1, RequestState.COMPLETED, callback_state="queued")


def test_the_owner_hands_over(requests: RequestStore, clock: FakeClock) -> None:
    first = claimed(requests, make_row(clock, owner="sensor"), clock)
    for _ in range(2):
        row = requests.update(first.request_id, "sensor", 1, RequestState.QUEUED, new_owner="run-1")
        assert row.owner == "run-1"
    with pytest.raises(FencedError):
        requests.update(first.request_id, "sensor", 1, RequestState.PROCESSING)
    assert requests.update(first.request_id, "run-1", 1, RequestState.PROCESSING).state is RequestState.PROCESSING


def test_an_unknown_field_is_a_programming_error(requests: RequestStore, clock: FakeClock) -> None:
    first = claimed(requests, make_row(clock), clock)
    with pytest.raises(TypeError):
        requests.update(first.request_id, first.owner, 1, resultkey="typo")


def test_the_callback_state_is_noted_without_an_owner_while_the_end_still_stands(
    requests: RequestStore, clock: FakeClock
) -> None:
    first = claimed(requests, make_row(clock), clock)
    row = settled(requests, first, RequestState.COMPLETED)
    clock.advance(86_400)
    requests.set_callback_state(first.request_id, RequestState.FAILED, "delivered")
    assert requests.get(first.request_id) == row
    requests.set_callback_state(first.request_id, RequestState.COMPLETED, "callback_failed")
    assert requests.get(first.request_id) == replace(row, callback_state="callback_failed")


def test_what_the_front_accepted_and_nobody_claimed_comes_oldest_first(
    requests: RequestStore, accept: Callable[[RequestRow], None], clock: FakeClock, unique: str
) -> None:
    queue = f"queue-{unique}"
    rows = []
    for _ in range(4):
        rows.append(accepted_row(clock, queue=queue))
        accept(rows[-1])
        accept(accepted_row(clock, queue=f"{queue}-other"))
        clock.advance(1)
    claimed(requests, make_row(clock, request_id=rows[1].request_id, queue=queue), clock)
    assert requests.unclaimed(queue, before=clock.now(), most=10) == [rows[0], rows[2], rows[3]]
    assert requests.unclaimed(queue, before=clock.now(), most=2) == [rows[0], rows[2]]
    assert requests.unclaimed(queue, before=rows[2].submitted_at, most=10) == [rows[0]]
    assert requests.unclaimed(f"{queue}-nobody's", before=clock.now(), most=10) == []


def test_the_requests_of_a_partner_come_newest_first(requests: RequestStore, clock: FakeClock, unique: str) -> None:
    rows = []
    for number in range(12):
        rows.append(claimed(requests, make_row(clock, partner_id=unique), clock))
        claimed(requests, make_row(clock, partner_id=f"{unique}-other"), clock)
        clock.advance(0.25 if number % 2 else 1)
    assert requests.by_partner(unique, newest=5) == rows[:-6:-1]
    assert requests.by_partner(unique, newest=100) == rows[::-1]
    assert requests.by_partner(f"{unique}-nobody", newest=5) == []


def test_a_policy_is_changed_as_a_whole_and_by_nothing_no_more(requests: RequestStore) -> None:
    partner, other = f"p-{uuid.uuid4().hex}", f"p-{uuid.uuid4().hex}"
    assert requests.policy_changes(partner) == {}
    requests.change_policy(partner, {"micro_usd_per_day": 5, "analyses": ["reading_level"]})
    requests.change_policy(partner, {"lane_share": 0.5, "models": None})
    assert requests.policy_changes(partner) == {"lane_share": 0.5, "models": None}
    assert requests.policy_changes(other) == {}
    for _ in range(2):
        requests.change_policy(partner, {})
        assert requests.policy_changes(partner) == {}
