"""`manga-enrichment sql`: every shipped question gives the right answer over the tables of a small, eventful run."""

import json
import shlex
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from click.testing import CliRunner, Result

from manga_enrichment.analysts.questions import questions, values_for
from manga_enrichment.analysts.session import SqlSession
from manga_enrichment.aws.s3.table_datasets import TableDatasets
from manga_enrichment.cli import main
from manga_enrichment.pipeline.changes.replace import Origin
from manga_enrichment.pipeline.enrichment.wide_table import enriched_columns, write_enriched
from manga_enrichment.pipeline.log.rows import REQUEST_SCHEMA
from manga_enrichment.pipeline.partner.stored.results import PARTNER_RESULT_SCHEMA
from manga_enrichment.pipeline.publish.tables import published_tables
from manga_enrichment.pipeline.store.arrow_types import arrow_schema
from manga_enrichment.pipeline.store.hour_keys import hour_group, part_key
from manga_enrichment.pipeline.store.object_keys import (
    partner_results_prefix,
    requests_prefix,
    table_key,
)
from manga_enrichment_tests.analyses import ANALYSES
from manga_enrichment_tests.analysts.eventful_world import DAY, eventful_world, partner_item, put_on_disk
from manga_enrichment_tests.builders import (
    BUCKET,
    World,
    catalog_table,
    put_catalog,
    record,
    title_id,
)
from manga_enrichment_tests.fakes import START
from manga_enrichment_tests.follower import typed

NAMES = [question.path.stem for question in questions()]
PARAMETERS = {
    "title_story": {"manga_id": title_id(1)},
    "similar_to": {"title": title_id(1)},
    "top_ten_like": {"title": title_id(1), "genre": "drama", "level": "teen"},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return put_on_disk(eventful_world().tables, tmp_path_factory.mktemp("tables"))


def sql(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["sql", *arguments])


def rows(folder: Path, query: str, **parameters: str) -> list[dict[str, Any]]:
    given = [f"--param={name}={value}" for name, value in parameters.items()]
    result = sql(query, "--folder", str(folder), "--format", "json", *given)
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.mark.parametrize("name", NAMES)
def test_every_question_runs_and_has_an_answer(folder: Path, name: str) -> None:
    expected_empty = {
        "rejected_rows",
        "candidates_used",
        "level_against_rating",
        "titles_that_left",
        "corrected_fields",
    }  # the made-up catalog has no such thing
    found = rows(folder, name, **PARAMETERS.get(name, {}))
    assert found or name in expected_empty


@pytest.mark.parametrize("name", NAMES)
def test_every_question_runs_over_a_new_installation(tmp_path: Path, name: str) -> None:
    result = sql(name, "--folder", str(tmp_path), *(f"--param={k}={v}" for k, v in PARAMETERS.get(name, {}).items()))
    assert result.exit_code == 0, result.output


def test_there_are_questions_enough_and_each_says_what_it_asks() -> None:
    assert len(NAMES) >= 14
    assert all(len(question.title) > 15 for question in questions())
    taken = {q.path.stem: set(q.parameters) for q in questions() if q.parameters}
    assert taken == {name: set(given) for name, given in PARAMETERS.items()}


def test_words_stand_for_the_first_title_found_that_has_an_answer(folder: Path) -> None:
    text = next(question.path for question in questions() if question.path.stem == "similar_to").read_text("utf-8")
    given = values_for(text, {"title": "a title"}, lambda words: [f"not {words}", title_id(2), title_id(1)])
    found = SqlSession(TableDatasets.in_folder(folder), list(ANALYSES.values())).query(text, given).to_pylist()
    assert found == rows_of_similar(folder)
    assert {row["is_like"] for row in found} == {record(1).title}
    assert [row["score"] for row in found] == sorted((row["score"] for row in found), reverse=True)


def rows_of_similar(folder: Path) -> list[dict[str, Any]]:
    return rows(folder, "similar_to", title=f"the one with {title_id(1).lower()}")


def test_words_that_nothing_is_found_for_have_no_answer(folder: Path) -> None:
    text = next(question.path for question in questions() if question.path.stem == "similar_to").read_text("utf-8")
    assert SqlSession(TableDatasets.in_folder(folder), list(ANALYSES.values())).query(text, {"title": []}).num_rows == 0


def test_in_a_folder_of_tables_a_part_of_a_title_does_and_words_that_none_has_are_told(folder: Path) -> None:
    part = record(1).title.upper()
    assert {row["is_like"] for row in rows(folder, "similar_to", title=part)} == {record(1).title}
    result = sql("similar_to", "--folder", str(folder), "--param", "title=a lighthouse")
    assert result.exit_code == 2
    assert "No title in" in result.output


def test_the_ten_most_like_a_title_have_the_genre_and_level_that_were_asked_for(folder: Path) -> None:
    kinds = {row["manga_id"]: row for row in rows(folder, "SELECT * FROM enriched_catalog")}
    other = next(row for row in kinds.values() if row["reading_level"] and row["manga_id"] != title_id(1))
    asked = {"genre": other["primary_genre"], "level": other["reading_level"]}
    found = rows(folder, "top_ten_like", title=title_id(1), **asked)
    assert other["manga_id"] in [row["manga_id"] for row in found]
    assert title_id(1) not in [row["manga_id"] for row in found]
    for row in found:
        assert kinds[row["manga_id"]]["reading_level"] == asked["level"]
        assert asked["genre"] in [each["genre"] for each in kinds[row["manga_id"]]["genres"]]
        assert row["summary"].count(".") <= 1
    assert [row["likeness"] for row in found] == sorted((row["likeness"] for row in found), reverse=True)
    assert rows(folder, "top_ten_like", title=title_id(1)) == []  # horror for teens, unless something else is said


def test_a_title_that_is_like_it_in_nothing_is_none_of_the_ten(tmp_path: Path) -> None:
    world = World()
    horror = {"genres": [{"genre": "horror", "confidence": 0.9}], "reading_level": "teen", "summary_en": "It comes."}
    titles = {1: {"themes": ["the sea"]}, 2: {**horror, "themes": ["the sea"]}, 3: {**horror, "themes": ["the moon"]}}
    bare = catalog_table((record(number, demographics=()), "") for number in titles).to_pylist()
    wide = [{**row, **columns} for row, columns in zip(bare, titles.values(), strict=True)]
    schema = arrow_schema(enriched_columns(ANALYSES.values()))
    world.tables.write(table_key("enriched_catalog", BUCKET), pa.Table.from_pylist(wide, schema=schema))
    found = rows(put_on_disk(world.tables, tmp_path), "top_ten_like", title=title_id(1))
    assert [(row["manga_id"], row["likeness"]) for row in found] == [(title_id(2), 0.1)]


def test_the_help_of_a_question_says_what_it_takes() -> None:
    shown = " ".join(sql("top_ten_like", "--help").stdout.split())
    assert "a genre they have; horror unless given" in shown
    assert "title=..." in shown
    assert "title=..." not in sql("--help").stdout


def test_costs_of_genres_and_days_add_up_to_the_log(folder: Path) -> None:
    [log] = rows(
        folder, "SELECT sum(cost_micro_usd) / 1e6 AS cost_usd, count(*) AS calls FROM requests WHERE attempt > 0"
    )
    for question in ("cost_by_genre", "daily_cost"):
        found = rows(folder, question)
        assert sum(row["cost_usd"] for row in found) == pytest.approx(log["cost_usd"])
        assert sum(row["calls"] for row in found) == log["calls"] == 6


def test_failures_name_their_class_and_what_they_wasted(folder: Path) -> None:
    found = {row["error_class"]: row for row in rows(folder, "failures_and_waste")}
    assert set(found) == {"refusal", "throttled", "read_timeout"}
    assert found["throttled"]["wasted_usd"] == 0
    assert found["read_timeout"]["attempts"] == 2
    assert found["read_timeout"]["wasted_usd"] > 0


def test_coverage_counts_titles_with_and_without_answers(folder: Path) -> None:
    found = rows(folder, "coverage_by_demographic")
    assert sum(row["titles"] * row["with_reading_level"] for row in found) == 2
    assert {row["demographic"] for row in found} >= {"(none given)"}


def test_the_bill_of_a_partner_has_what_was_reused_at_no_cost(folder: Path) -> None:
    [bill] = rows(folder, "partner_bill")
    assert (bill["partner_id"], bill["month"], bill["requests"], bill["items"]) == ("acme", DAY[:7], 1, 3)
    assert (bill["answered_items"], bill["reused_items"], bill["cost_usd"]) == (2, 1, 80 / 1e6)


def block_of_the_documentation(about: str) -> str:
    """What the page for analysts says to do with the objects themselves."""
    page = (Path(__file__).parents[2] / "docs" / "analysts.md").read_text("utf-8")
    blocks = [each.split("```")[0] for each in page.split("```python\n")[1:]]
    (block,) = (each for each in blocks if about in each)
    return block


def pandas_of_the_documentation(folder: str, day: str) -> dict[str, Any]:
    block = block_of_the_documentation("partner_results")
    told: dict[str, Any] = {"folder": folder, "pd": pd}
    exec(block.replace("2026-11-28", day), told)  # noqa: S102 (our own documentation)
    return told


def test_of_what_lies_in_two_objects_a_row_is_given_once_and_of_the_highest_generation(tmp_path: Path) -> None:
    world = eventful_world()
    logged = world.log()
    [attempt] = [{**row, "trigger": "partner"} for row in logged if row["manga_id"] == title_id(1)]
    log_group = hour_group(requests_prefix(DAY), START)
    group = hour_group(partner_results_prefix(DAY), START)
    again = [partner_item(position, generation=2, cost_micro_usd=7) for position in (0, 1, 2)]
    for name in ("run-1", "run-2"):
        world.tables.write(part_key(group, name), pa.Table.from_pylist(again, schema=PARTNER_RESULT_SCHEMA))
        world.tables.write(part_key(log_group, name), pa.Table.from_pylist([attempt], schema=REQUEST_SCHEMA))
    folder = put_on_disk(world.tables, tmp_path)
    found = rows(folder, "SELECT generation, position, cost_micro_usd FROM partner_results ORDER BY position")
    assert [tuple(each.values()) for each in found] == [(2, 0, 7), (2, 1, 7), (2, 2, 7)]
    assert rows(folder, "SELECT count(*) AS n FROM partner_results_objects") == [{"n": 9}]
    counts = rows(folder, "SELECT count(*) AS n, count(*) FILTER (trigger = 'partner') AS partners FROM requests")
    assert counts == [{"n": len(logged) + 1, "partners": 1}]
    told = pandas_of_the_documentation(str(folder), DAY)
    assert sorted(told["results"][["generation", "position"]].itertuples(index=False)) == [(2, 0), (2, 1), (2, 2)]
    assert len(told["log"]) == len(logged) + 1


def test_who_follows_as_documented_has_the_wide_table(tmp_path: Path) -> None:
    told: dict[str, Any] = {"pd": pd}
    exec(block_of_the_documentation("enriched_changes"), told)  # noqa: S102 (our own documentation)
    world = eventful_world()
    told["follow"](put_on_disk(world.tables, tmp_path))
    assert len(told["titles"]) == 5
    put_catalog(world.tables, [record(1, title="Another"), record(2), record(4, publisher="new"), record(6)])
    world.run("run-2")
    write_enriched(world.tables, BUCKET, list(ANALYSES.values()), Origin("run-2", START + timedelta(days=1)))
    folder = put_on_disk(world.tables, tmp_path)
    told["follow"](folder)
    stored = world.tables.read(table_key("enriched_catalog", BUCKET))
    assert stored is not None
    assert typed(told["titles"].values(), stored.table.schema) == stored.table.to_pylist()
    changed = {(row["kind"], row["field"]): row["titles"] for row in rows(folder, "what_changed")}
    assert (changed["removed", None], changed["changed", "publisher"]) == (2, 1)


def test_the_story_of_a_title_begins_with_its_call_and_ends_with_its_outcomes(folder: Path) -> None:
    story = rows(folder, "title_story", manga_id=title_id(1))
    assert [row["what"] for row in story].count("asked") == 1
    assert {row["analysis"] for row in story if row["what"] == "outcome"} == {
        name for name, analysis in ANALYSES.items() if not analysis.parts
    }
    assert [row["happened_at"] for row in story] == sorted(row["happened_at"] for row in story)


def test_genres_agree_however_a_publisher_writes_them(tmp_path: Path) -> None:
    world = World()
    names = [
        ("sci_fi", "Sci-Fi"),
        ("slice_of_life", "Slice of Life"),
        ("drama", "Dráma"),
        ("drama", "冒険"),
        ("drama", "Sci-Fi"),
    ]
    schema = arrow_schema(enriched_columns(list(ANALYSES.values())))
    titles = [
        {
            **dict.fromkeys(schema.names),
            **{name: [] for name in schema.names if pa.types.is_list(schema.field(name).type)},
            "manga_id": title_id(number),
            "title": "t",
            "content_hash": "h",
            "primary_genre": ours,
            "publisher_genres": ["Other", theirs],
        }
        for number, (ours, theirs) in enumerate(names)
    ]
    world.tables.write(table_key("enriched_catalog", BUCKET), pa.Table.from_pylist(titles, schema=schema))
    found = rows(put_on_disk(world.tables, tmp_path), "genre_against_publisher")
    agreement = {row["primary_genre"]: row["agreement"] for row in found}
    assert agreement == {"sci_fi": 1, "slice_of_life": 1, "drama": pytest.approx(1 / 3)}


def test_an_unknown_age_is_counted_and_not_taken_for_zero(folder: Path) -> None:
    [queue] = rows(folder, "queue_ages")
    assert (queue["looks"], queue["looks_with_unknown_age"], queue["oldest_seconds"]) == (2, 1, 70.0)


def test_how_long_partners_waited_is_split_by_where_and_counted_once_a_request(folder: Path) -> None:
    [queue] = rows(folder, "latency_by_queue")
    told = [queue[name] for name in ("requests", "p50_seconds", "p95_seconds", "waiting_p95_seconds")]
    assert told == [1, 12.0, 12.0, 2.0]
    assert (queue["model_p95_seconds"], queue["ours_p95_seconds"]) == (7.0, 3.0)


def test_second_attempts_are_counted(folder: Path) -> None:
    [retries] = rows(folder, "cost_of_retries")
    assert (retries["answers_asked_for"], retries["attempts_again"]) == (4, 2)


@pytest.mark.parametrize("table", published_tables(list(ANALYSES.values())), ids=lambda table: table.name)
def test_every_table_has_its_documented_columns_even_when_it_is_not_there(folder: Path, table: Any) -> None:
    result = sql(f"FROM {table.name} LIMIT 0", "--folder", str(folder), "--format", "csv")
    assert result.stdout.strip().split(",") == [
        *(column.name for column in table.columns),
        *(key.value for key in table.partition_keys if key.value not in {column.name for column in table.columns}),
    ]


def test_partitions_are_columns(folder: Path) -> None:
    found = rows(folder, "SELECT DISTINCT analysis FROM outcomes WHERE bucket = $b ORDER BY 1", b=BUCKET)
    assert [row["analysis"] for row in found] == sorted(name for name, each in ANALYSES.items() if not each.parts)


def test_without_a_query_the_questions_are_listed() -> None:
    listed = sql().stdout
    assert all(f"{question.path.stem} " in listed and question.title in listed for question in questions())
    assert "--param manga_id=..." in listed


def test_a_file_is_a_query_too(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine.sql"
    file.write_text("SELECT count(*) AS titles FROM catalog")
    assert rows(folder, str(file)) == [{"titles": 5}]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["SELECT 1 FROM nowhere"], "There is no published table nowhere. The tables are: enriched_catalog,"),
        (["SELEC 1"], "The query is no SQL: syntax error at or near"),
        (["title_story"], "--param manga_id=...: id of the title"),
        (["cost_by_genre", "--param", "genre=horror"], "The query has no $genre. It takes none."),
        (["SELECT $a, $b", "--param", "a=1"], "--param b=..."),
        (["no_such_question"], "neither a file nor a shipped question nor SQL"),
        (["title_story", "--param", "manga_id"], "say name=value"),
    ],
)
def test_a_query_that_cannot_be_answered_says_why(folder: Path, arguments: list[str], said: str) -> None:
    result = sql(*arguments, "--folder", str(folder))
    assert result.exit_code != 0
    assert said in result.output
    assert "Traceback" not in result.output


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    result = sql("SELECT 1 FROM catalog", "--folder", str(tmp_path / "gone"))
    assert result.exit_code == 1
    assert "gone is no folder" in result.output


DOCS = Path(__file__).parents[2] / "docs"
COMMANDS = [
    line.strip().partition(" > ")[0]
    for page in ("debugging.md", "five_minutes.md")
    for line in (DOCS / page).read_text("utf-8").splitlines()
    if line.startswith("    ") and "manga-enrichment sql " in line
]


@pytest.mark.parametrize("command", COMMANDS)
def test_what_pages_say_one_can_ask_is_answered(folder: Path, command: str) -> None:
    told = command.replace("MNG-C4G0F4AW", title_id(1)).replace(".local/tables", str(folder))
    _program, _sql, *words = shlex.split(told.replace("title=Lantern", f"title='{record(1).title}'"))
    result = sql(*words, *(() if "--folder" in words else ("--folder", str(folder))))
    assert result.exit_code == 0, result.output
    assert result.stdout


@pytest.mark.parametrize("name", NAMES)
def test_every_question_has_the_same_numbers_for_a_spreadsheet(folder: Path, name: str) -> None:
    given = [f"--param={key}={value}" for key, value in PARAMETERS.get(name, {}).items()]
    plain, neutral = (
        sql(name, "--folder", str(folder), "--format", "csv", *given, *more) for more in ((), ("--spreadsheet",))
    )
    assert plain.exit_code == neutral.exit_code == 0
    assert plain.stdout == neutral.stdout  # the made-up tables have no formula
