"""Analyses of one run share the places at the model; what has ended is written while others are asked."""

from collections import Counter
from collections.abc import Iterator

from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.domain.outcomes.error_classes import ErrorClass, ModelError
from manga_enrichment.gateways.errors import StoreUnavailableError
from manga_enrichment.gateways.model import ModelCall, ModelReply
from manga_enrichment.pipeline.enrichment.asking.ask import Wanted
from manga_enrichment.pipeline.enrichment.plan_run import Planning
from manga_enrichment.pipeline.store.object_keys import table_key
from manga_enrichment_tests.builders import (
    BUCKET,
    MODELS,
    SINGLES,
    World,
    catalog_table,
    model_of,
    open_budget_settings,
    provenance,
    put_catalog,
    record,
    report_of,
)
from manga_enrichment_tests.fakes import DEFAULT_USAGE, ScriptedModel, Step
from manga_enrichment_tests.scripted_model import valid_answer

TITLES = [record(number) for number in range(1, 13)]
PLACES = 8  # of a World
GENRE = "genre_classification"


def world_with(otherwise: Step = None) -> World:
    world = World(settings=open_budget_settings(requests_per_minute=6_000_000))  # so that places are the bound
    put_catalog(world.tables, TITLES)
    world.model = ScriptedModel(world.clock, otherwise=otherwise, latency_seconds=1.0)
    world.plan(selected=SINGLES)
    return world


def seconds(world: World) -> float:
    return world.clock.monotonic_seconds()


def failing_for_genres(error: Exception) -> Step:
    def step(call: ModelCall) -> ModelReply:
        if call.prompt.tool_name.endswith(GENRE):
            raise error
        return ModelReply("tool_use", valid_answer(call.prompt), DEFAULT_USAGE)

    return step


def test_all_share_the_places_and_none_stands_empty_as_one_ends() -> None:
    apart, together = world_with(), world_with()
    for name in SINGLES:
        apart.invoke(name)
    reports = together.invoke_all(SINGLES)
    assert together.model.max_in_flight == PLACES
    assert Counter(sent.analysis for sent in together.model.sent) == dict.fromkeys(SINGLES, len(TITLES))
    assert list(reports) == SINGLES
    assert {report_of(each).titles for each in reports.values()} == {len(TITLES)}
    rounds = len(SINGLES) * len(TITLES) / PLACES
    assert rounds <= seconds(together) <= rounds + 2 < seconds(apart)


def test_each_report_counts_its_own_calls_and_money() -> None:
    world = world_with()
    reports = world.invoke_all(SINGLES)
    costs = Counter[str]()
    for entry in world.ledger.entries.values():
        costs[entry.analysis] += sum(each.cost_micro_usd for each in entry.attempts)
    assert {name: report_of(each).cost_micro_usd for name, each in reports.items()} == costs
    assert sum(costs.values()) == world.budget.spent(f"day:{provenance().run_date}")[1]


def test_one_that_is_refused_stops_alone() -> None:
    world = world_with(failing_for_genres(ModelError(ErrorClass.ACCESS_DENIED, "no access to this model")))
    reports = world.invoke_all(SINGLES)
    stopped = {name: report_of(each).stopped_by for name, each in reports.items()}
    assert stopped == {**dict.fromkeys(SINGLES, ""), GENRE: "access_denied"}
    assert report_of(reports[GENRE]).outcomes.get("succeeded", 0) == 0
    assert all(report_of(each).outcomes == {"succeeded": len(TITLES)} for n, each in reports.items() if n != GENRE)


def test_an_error_that_ends_one_is_handed_on_as_its_own() -> None:
    world = world_with(failing_for_genres(ConfigurationError("no credentials any more")))
    reports = world.invoke_all(SINGLES)
    assert isinstance(reports.pop(GENRE), ConfigurationError)
    assert all(report_of(each).outcomes == {"succeeded": len(TITLES)} for each in reports.values())
    assert world.ledger.claimed == {}


def test_progress_is_one_line_for_all_that_are_not_done() -> None:
    world = world_with()
    world.model = ScriptedModel(world.clock, latency_seconds=8.0)
    said: list[str] = []
    world.invoke_all(SINGLES, say=said.append)
    assert said[0].count(f"of {len(TITLES)} titles") == len(SINGLES)
    assert said[0].count(" | ") == len(SINGLES) - 1


def test_a_bucket_whose_calls_have_ended_is_written_with_all_that_was_answered() -> None:
    world, written = world_with(), list[str]()

    def steps(bucket: str) -> Iterator[None]:
        written.append(bucket)
        for name in SINGLES:
            world.writing().write(world.analyses[name], bucket, provenance())
            yield

    world.invoke_all(SINGLES, written=steps)
    assert written == [BUCKET]
    assert len(world.log()) == len(SINGLES) * len(TITLES)
    assert len(world.answers(SINGLES[0])) == len(TITLES)


def test_what_could_not_be_written_is_left_for_who_comes_after() -> None:
    world = world_with()

    def steps(_bucket: str) -> Iterator[None]:
        yield
        raise StoreUnavailableError("S3 is away")

    reports = world.invoke_all(SINGLES, written=steps)
    assert {report_of(each).titles for each in reports.values()} == {len(TITLES)}
    for name in SINGLES:
        assert world.write(name).new_rows == len(TITLES)


def test_what_has_ended_is_logged_while_the_tables_of_another_bucket_are_written() -> None:
    """A third bucket's call is at the model all the time."""
    world, half = World(settings=open_budget_settings(requests_per_minute=6_000_000)), PLACES // 2
    slow = TITLES[PLACES]
    world.model = ScriptedModel(
        world.clock, latency_seconds=lambda call: 60.0 if slow.title in str(call.prompt) else 1.0
    )
    of_bucket = {"0": TITLES[:half], "1": TITLES[half:PLACES], "2": [slow]}
    for bucket, titles in of_bucket.items():
        world.tables.write(table_key("catalog", bucket), catalog_table((each, each.manga_id) for each in titles))
    planning = Planning(tables=world.tables, ledger=world.ledger, analyses=world.analyses, models=MODELS)
    planning.plan("run-1", list(of_bucket), [GENRE], lambda _line: None)
    seen: dict[str, set[str]] = {}

    def steps(bucket: str) -> Iterator[None]:
        for _ in range(1_000):  # as long as the other bucket takes to be logged, if nobody waits for this one
            seen[bucket] = {row["manga_id"] for row in world.log()}
            if len(seen[bucket]) >= PLACES:
                return
            yield

    wanted = [Wanted(world.analyses[GENRE], model_of(world.analyses[GENRE]), "spender", PLACES + 1)]
    reports = world.invoking().invoke(wanted, list(of_bucket), provenance(), say=lambda _line: None, written=steps)
    assert report_of(reports[GENRE]).outcomes == {"succeeded": PLACES + 1}
    assert seen["0"] == {each.manga_id for each in TITLES[:PLACES]}
