"""What a demo says in the end: numbers that agree, addresses in one piece, one real answer."""

import io
import re
from dataclasses import asdict

import pytest
from rich.console import Console

from manga_enrichment.local.demo.account import DemoReport, report_from, show, show_bill
from manga_enrichment.local.demo.example import example, show_example
from manga_enrichment.local.demo.partners import BatchReport, show_batches
from manga_enrichment.pipeline.enrichment.wide_table import write_enriched
from manga_enrichment.pipeline.health.table_quality import FAILED_IN_PASSING
from manga_enrichment_tests.analyses import ANALYSES
from manga_enrichment_tests.builders import BUCKET, ORIGIN, World, bare_record, put_catalog, record

RESULT = "s3://manga-fm-results-123456789012/partner/results/2026-11-29/0f0a2f6e-5a52-4b71-8a47-0d6f1b1c7a55/g1.json"
BATCHES = [
    BatchReport("good.json", "SQS", "r1", "succeeded", 10, 10, 8, 0.000312, "", RESULT, 1, 1, True),
    BatchReport("with_a_bad_item.json", "SQS", "r4", "partially_completed", 3, 2, 1, 0.000225, "", "", 1, 1, True),
    BatchReport("malformed.json", "SQS", "r2", "rejected", reason="items: [x] is no list " * 8, ended=True),
    BatchReport("over_http.json", "HTTP", "r3", "succeeded", 3, 3, 3, 0.0, "", RESULT.replace("g1", "g2"), ended=True),
]
TABLE = {"table": "genre_classification", "rows": 497, "path": "s3://bucket/enrichment/genre_classification/"}


def report() -> DemoReport:
    made = DemoReport(titles=500, calls_billed=581, calls_of_the_night=579, cost_usd=0.150159, seconds=41.2)
    made.outcomes = {"genre_classification": {"succeeded": 497, "insufficient_input": 3}}
    made.tables, made.batches = [TABLE], BATCHES
    return made


def said(columns: int, shown: DemoReport) -> str:
    console = Console(file=io.StringIO(), width=columns)
    show(console, shown)
    show_batches(console, shown.batches)
    show_bill(console, shown)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


@pytest.mark.parametrize("columns", [80, 120])
def test_no_address_is_broken_and_no_line_of_words_is_wider_than_the_terminal(columns: int) -> None:
    text = said(columns, report())
    assert [each for each in text.split() if each.startswith("s3://")] == [RESULT, RESULT.replace("g1", "g2")]
    assert all(len(line) <= columns for line in text.splitlines() if "s3://" not in line)
    whole = ("good (SQS)", "with_a_bad_item (SQS)", "partially_completed", "0.000225", "10 of 10")
    assert all(word in text for word in whole)


def test_the_numbers_of_night_and_batches_add_up_and_are_those_of_the_rows() -> None:
    text = said(120, report())
    night, batches, together = (
        int(re.search(rf"{name}: (\d+) calls billed", text)[1])  # type: ignore[index]
        for name in ("The night", "The batches", "Together")
    )
    assert night + batches == together == 581
    assert "The batches: 2 calls billed, 12 answers were there already." in text  # 8, 1 and 3 in the rows above


def test_what_failed_in_passing_is_among_what_the_next_run_asks() -> None:
    shown = report()
    shown.outcomes = {"reading_level": {"succeeded": 380, "failed": 1, FAILED_IN_PASSING: 114, "deferred": 5}}
    text = said(120, shown)
    headings = ("answered", "too little text", "failed for good", "asked by the next run")
    places = [text.index(heading) for heading in headings]
    assert places == sorted(places)
    assert re.search(r"reading_level\D+380\D+0\D+1\D+119\D", text)


def test_a_report_goes_from_one_program_to_the_other_whole() -> None:
    assert report_from(asdict(report())) == report()


def test_the_title_with_most_answers_is_the_example_and_says_what_it_is_like() -> None:
    world = World()
    put_catalog(world.tables, [bare_record(1), record(2), record(3)])
    world.run()
    write_enriched(world.tables, BUCKET, list(ANALYSES.values()), ORIGIN)
    chosen = example(world.tables, [BUCKET])
    assert chosen["manga_id"] == record(2).manga_id
    console = Console(file=io.StringIO(), width=80)
    show_example(console, chosen)
    text = " ".join(console.file.getvalue().split())  # type: ignore[attr-defined]
    assert record(2).title in text
    assert chosen["summary_en"] in text


def test_what_a_model_wrote_is_not_obeyed() -> None:
    chosen = {"manga_id": "MNG-1", "title": "[red]x[/red]\x1b[2J", "primary_genre": "horror", "reading_level": None}
    console = Console(file=io.StringIO(), width=80)
    show_example(console, {**chosen, "summary_en": "[b]a", "summary_ja": None, "similar_titles": []})
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "[red]x[/red]\\x1b[2J" in text
    assert "[b]a" in text
    assert "\x1b" not in text


def test_without_any_title_there_is_no_example() -> None:
    assert example(World().tables, [BUCKET]) == {}
