"""The report: its numbers are the tables' numbers, foreign texts stay text, and nothing is fetched to show it."""

import re
from collections import Counter
from dataclasses import replace

import pytest
from markdown_it import MarkdownIt

from manga_enrichment.domain.catalog.records import MangaRecord
from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.gateways.budget import Brake
from manga_enrichment.pipeline.health.daily_costs import write_day
from manga_enrichment.pipeline.health.table_quality import FAILED_IN_PASSING, HELD_BACK
from manga_enrichment.pipeline.report.charts import SERIES
from manga_enrichment.pipeline.report.facts import TEXT_CHARACTERS, ReportFacts, gather, short
from manga_enrichment.pipeline.report.links import Links
from manga_enrichment.pipeline.report.page import report_charts, report_html, report_summary
from manga_enrichment.pipeline.report.sums import spenders
from manga_enrichment_tests.analyses import ANALYSES
from manga_enrichment_tests.builders import (
    BUCKET,
    SINGLES,
    World,
    bare_record,
    provenance,
    put_catalog,
    record,
    title_id,
)
from manga_enrichment_tests.fakes import MemoryTables, ScriptedModel
from manga_enrichment_tests.partner_world import PartnerWorld
from manga_enrichment_tests.pipeline.enrichment.test_canaries import LEVEL, CanaryWorld
from manga_enrichment_tests.pipeline.enrichment.test_canaries import TITLES as CANARY_TITLES

HOSTILE = "<script>alert(1)</script> & [x](javascript:y)"


def rows_of(page: str, caption: str) -> list[dict[str, str]]:
    """The rows of a table, by heading, as a reader sees them: tags taken out."""
    table = page[page.index(f"<caption>{caption}") :].split("</table>", maxsplit=1)[0]
    body = table[table.index("<tbody>") : table.index("</tbody>")]
    cells = r'<td data-label="([^"]*)"[^>]*>(.*?)</td>'
    found = [dict(re.findall(cells, row, re.DOTALL)) for row in body.split("<tr>")[1:]]
    return [{name: " ".join(re.sub("<[^>]*>", " ", text).split()) for name, text in row.items()} for row in found]


def facts_of(world: World, titles: int = 5) -> ReportFacts:
    return gather(world.tables, analyses=SINGLES, buckets=[BUCKET], now=world.clock.now(), titles=titles, forecast=[])


def run_over(*records: MangaRecord) -> World:
    """One title refused, one throttled first; the others answered."""
    world = World()
    put_catalog(world.tables, records)
    world.model = ScriptedModel(
        world.clock, {title_id(2): [ErrorClass.REFUSAL], title_id(3): [ErrorClass.THROTTLED, None]}
    )
    world.run()
    write_day(world.tables, provenance().run_date)
    return world


@pytest.fixture(scope="module")
def world() -> World:
    return run_over(record(1), record(2, title=HOSTILE), record(3), record(4), bare_record(5))


def test_the_brake_stands_above_everything_else(world: World) -> None:
    calm = facts_of(world)
    braked = replace(calm, brake=Brake(HOSTILE, world.clock.now()))
    assert "Nothing is asked of a model" not in report_html(calm)
    page = report_html(braked)
    assert (
        0 < page.index('role="alert"') < page.index("Nothing is asked of a model") < page.index("titles in the catalog")
    )
    assert "<script>alert" not in page
    assert report_summary(braked).startswith("- **Wrong**: `Nothing is asked of a model: the brake is on since ")


def test_the_numbers_are_those_of_the_tables(world: World) -> None:
    facts = facts_of(world)
    assert set(facts.outcomes) == set(SINGLES)
    assert facts.outcomes["reading_level"] == {"succeeded": 3, FAILED_IN_PASSING: 1, "insufficient_input": 1}
    assert sum(row["cost_micro_usd"] for row in facts.costs) == world.logged_cost_micro_usd() > 0
    answered = Counter(row["analysis"] for row in world.log() if row["attempt"] > 0 and row["status"] == "succeeded")
    assert {latency.analysis: latency.calls for latency in facts.latencies} == answered
    assert answered.total() == 3
    assert {each.error_class for each in facts.failed_attempts} == {"refusal", "throttled"}


def test_a_failure_class_has_titles_as_examples(world: World) -> None:
    [failure] = [each for each in facts_of(world).failures if each.error_class == "refusal"]
    assert failure.answers == sum(failure.by_analysis.values()) == len(SINGLES)
    assert {example.manga_id for example in failure.examples} == {title_id(2)}


def test_texts_of_others_are_escaped_in_the_page(world: World) -> None:
    html = report_html(facts_of(world))
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html


def test_the_page_fetches_nothing(world: World) -> None:
    html = report_html(facts_of(world))
    assert "default-src 'none'" in html
    assert re.findall(r"""(?:src|href)=["'](?!data:|#)([^"']*)""", html) == []
    linked = report_html(facts_of(world), Links("http://127.0.0.1:3000", "http://127.0.0.1:8400"))
    addresses = re.findall(r"""<(\w+)[^>]*(?:src|href)=["'](?!#)([^"']*)""", linked)
    assert {element for element, _address in addresses} == {"a"}, "links are followed by people, not by the page"
    assert "<script" not in html
    assert re.findall(r"url\((?!#)([^)]*)\)", html) == []


def test_the_page_is_made_for_light_dark_and_small_screens(world: World) -> None:
    html = report_html(facts_of(world))
    assert "prefers-color-scheme: dark" in html
    assert 'name="viewport"' in html
    assert "<svg" in html


def test_who_waits_for_a_canary_is_no_gap_and_no_failure(world: World) -> None:
    held = CanaryWorld()
    assert held.night("run-1") == held.own
    facts = gather(held.tables, analyses=[LEVEL], buckets=[BUCKET], now=held.clock.now(), titles=121, forecast=[])
    assert facts.outcomes[LEVEL] == {
        "succeeded": len(held.own),
        "insufficient_input": 1,
        HELD_BACK: CANARY_TITLES - len(held.own),
    }
    assert facts.failures == []
    page = report_html(facts)
    [row] = rows_of(page, "Titles by outcome")
    assert row["waits for a canary"] == str(CANARY_TITLES - len(held.own))
    assert row["answered of what can be asked"] == f"{len(held.own)} of {len(held.own)} 100.0 %"
    assert "**100.0 %** answered of what can be asked" in report_summary(facts)
    assert "waits for a canary" not in report_html(facts_of(world)), "a morning without one does not speak of it"


def test_a_new_installation_has_a_report_without_charts() -> None:
    facts = gather(MemoryTables(), analyses=SINGLES, buckets=[BUCKET], now=World().clock.now(), titles=0, forecast=None)
    assert report_charts(facts) == []
    assert "Enrichment report" in report_html(facts)
    assert report_summary(facts)


def test_the_summary_has_pictures_that_need_no_network(world: World) -> None:
    summary = report_summary(facts_of(world))
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]{1,40})", summary)
    assert len(pictures) == 3
    assert all(picture.startswith("data:image/png;base64,") for picture in pictures)
    assert HOSTILE not in summary


def test_a_name_in_a_picture_of_the_summary_cannot_become_a_link(world: World) -> None:
    facts = facts_of(world)
    slow = replace(facts.latencies[0], analysis="x](https://evil.example/) ![y](z) <b>", p99_ms=10**9)
    tokens = MarkdownIt("commonmark", {"html": True}).parse(report_summary(replace(facts, latencies=[slow])))
    inner = [child for token in tokens for child in token.children or ()]
    images = [child for child in inner if child.type == "image"]
    assert len(images) == 3
    assert all(str(image.attrs["src"]).startswith("data:image/png;base64,") for image in images)
    assert not {"link_open", "html_inline"} & {child.type for child in inner}


def test_there_are_colours_enough_for_every_analysis() -> None:
    assert len(ANALYSES) <= SERIES


def test_a_foreign_text_is_one_short_line() -> None:
    assert short("a\x1b[2J\n b\u202e c") == "a [2J b c"
    assert len(short("x" * 1000)) == TEXT_CHARACTERS


def test_how_long_partners_waited_is_a_table_by_queue_and_nothing_where_nobody_was_answered(world: World) -> None:
    calm = facts_of(world)
    assert calm.partner_latency == []
    assert "How long partners waited" not in report_html(calm)
    lane = PartnerWorld()
    lane.base.model = ScriptedModel(lane.clock, latency_seconds=4)
    lane.send()
    lane.clock.advance(30)
    lane.work()
    facts = gather(lane.base.tables, analyses=[], buckets=[], now=lane.clock.now(), titles=0, forecast=None)
    [row] = rows_of(report_html(facts), "How long partners waited")
    assert (row["queue"], row["answered"], row["in all"]) == ("manga-fm-normal", "1", "34.0 s, 34.0 s")
    assert (row["at the model"], row["with us"]) == ("4.0 s, 4.0 s", "0.0 s, 0.0 s")


def test_what_carried_requests_is_a_table_of_its_own_beside_the_bill() -> None:
    lane = PartnerWorld()
    lane.send()
    lane.work()
    write_day(lane.base.tables, provenance().run_date)
    facts = gather(lane.base.tables, analyses=[], buckets=[], now=lane.clock.now(), titles=0, forecast=None)
    page = report_html(facts)
    assert "estimates by list prices of 2026-11-28, no part of the cost above" in page
    [row] = rows_of(page, "What carried partners")
    assert list(row.values()) == ["acme", "1", "$0.0000", "$0.00", "$0.00"]
    assert {row["analysis"] for row in spenders(facts)} == {"reading_level"}
