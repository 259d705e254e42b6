"""What `manga-enrichment sql` prints: a table that no terminal obeys, CSV for programs or for spreadsheets, JSON."""

import csv
import io
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from manga_enrichment.analysts.session import open_session
from manga_enrichment.cli import main
from manga_enrichment.cli.sql import printing


def sql(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["sql", *arguments])


def test_what_a_model_wrote_is_shown_as_text(tmp_path: Path) -> None:
    result = sql("SELECT '[red]x[/red]' || chr(27) || '[2J' AS said", "--folder", str(tmp_path))
    assert "[red]x[/red]" in result.stdout
    assert "\x1b" not in result.stdout


HOSTILE = "SELECT chr(27) || '[2J' || chr(155) || 'x' || chr(8238) || chr(10) || ':bomb:' AS said, 1 AS number"
HOSTILE_TEXT = "\x1b[2J\x9bx\u202e\n:bomb:"


def test_a_terminal_is_shown_what_a_model_wrote_and_does_not_obey_it(tmp_path: Path) -> None:
    shown = sql(HOSTILE, "--folder", str(tmp_path)).stdout
    assert "\\x1b[2J\\x9bx\\u202e\\n:bomb:" in shown
    assert not {"\x1b", "\x9b", "\u202e"} & set(shown)


def test_names_of_columns_are_escaped_too(tmp_path: Path) -> None:
    assert "a\\x1b[2J" in sql('SELECT 1 AS "a\x1b[2J"', "--folder", str(tmp_path)).stdout


def test_an_error_that_quotes_a_value_is_escaped(tmp_path: Path) -> None:
    result = sql("SELECT ('12' || chr(27) || '[2J')::INTEGER", "--folder", str(tmp_path))
    assert result.exit_code == 1
    assert "12\\x1b[2J" in result.output
    assert "\x1b" not in result.output


def test_json_and_csv_have_the_values_as_they_are(tmp_path: Path) -> None:
    said = sql(HOSTILE, "--folder", str(tmp_path), "--format", "json").stdout
    assert [json.loads(line) for line in said.split("\n") if line] == [{"said": HOSTILE_TEXT, "number": 1}]
    found = csv.reader(io.StringIO(sql(HOSTILE, "--folder", str(tmp_path), "--format", "csv").stdout, newline=""))
    assert list(found) == [["said", "number"], [HOSTILE_TEXT, "1"]]


VALUES = ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "a=b", "", "two\r\nlines", 'quo"te, comma', "漫画"]


def _as_sql(text: str) -> str:
    return " || ".join(f"chr({ord(character)})" for character in text) or "''"


def csv_of_values(folder: Path, *options: str) -> list[list[str]]:
    rows = ", ".join(f"({_as_sql(value)}, {number})" for number, value in enumerate(VALUES, -5))
    query = f"SELECT id, number, -0.5 AS share, NULL AS nothing FROM (VALUES {rows}) AS t(id, number)"  # noqa: S608
    result = sql(query, "--folder", str(folder), "--format", "csv", *options)
    assert result.exit_code == 0, result.output
    written = result.stdout_bytes.decode()
    assert written.count("\r\n") == 1  # the one within a value
    return list(csv.reader(io.StringIO(written, newline="")))


def test_csv_is_exact_by_default(tmp_path: Path) -> None:
    assert csv_of_values(tmp_path) == [
        ["id", "number", "share", "nothing"],
        *([value, str(number), "-0.5", ""] for number, value in enumerate(VALUES, -5)),
    ]


def test_for_a_spreadsheet_formulas_become_text_and_numbers_stay(tmp_path: Path) -> None:
    head, *found = csv_of_values(tmp_path, "--spreadsheet")
    assert head == ["id", "number", "share", "nothing"]
    assert [row[0] for row in found] == [*(f"'{value}" for value in VALUES[:6]), *VALUES[6:]]
    assert [row[1:] for row in found] == [[str(number), "-0.5", ""] for number in range(-5, len(VALUES) - 5)]


def test_a_spreadsheet_gets_no_formula_as_the_name_of_a_column(tmp_path: Path) -> None:
    result = sql('SELECT 1 AS "=1+1"', "--folder", str(tmp_path), "--format", "csv", "--spreadsheet")
    assert result.stdout == "'=1+1\n1\n"


@pytest.mark.parametrize("form", [(), ("--format", "json"), ("--format", "table")])
def test_spreadsheet_goes_with_csv_alone(tmp_path: Path, form: tuple[str, ...]) -> None:
    result = sql("SELECT 1", "--folder", str(tmp_path), "--spreadsheet", *form)
    assert result.exit_code == 2
    assert "--spreadsheet is about --format csv alone" in result.output


def csv_rows(folder: Path, query: str) -> list[list[str]]:
    result = sql(query, "--folder", str(folder), "--format", "csv")
    assert result.exit_code == 0, result.output
    return list(csv.reader(io.StringIO(result.stdout)))


def test_integers_stay_integers_beside_nothing(tmp_path: Path) -> None:
    query = "SELECT * FROM (VALUES (9007199254740993, 1.5, true), (NULL, NULL, NULL)) AS t(volumes, share, seen)"
    assert csv_rows(tmp_path, query)[1:] == [["9007199254740993", "1.5", "True"], ["", "", ""]]


def test_lists_and_structs_are_json_in_csv(tmp_path: Path) -> None:
    query = "SELECT ['a', 'b\"c'] AS themes, [{'name': '漫画', 'role': NULL}] AS authors, []::VARCHAR[] AS none"
    ((*_head,), row) = csv_rows(tmp_path, query)
    assert [json.loads(cell) for cell in row] == [["a", 'b"c'], [{"name": "漫画", "role": None}], []]
    assert "漫画" in row[1]


@pytest.mark.parametrize("form", ["csv", "json", "table"])
def test_columns_of_one_name_are_all_shown(tmp_path: Path, form: str) -> None:
    shown = sql("SELECT 11 AS a, 22 AS a, 33 AS a_1, 44 AS a", "--folder", str(tmp_path), "--format", form).stdout
    assert all(each in shown for each in ("11", "22", "33", "44"))
    if form == "json":
        assert json.loads(shown) == {"a": 11, "a_2": 22, "a_1": 33, "a_3": 44}


def test_tables_are_found_in_any_case(tmp_path: Path) -> None:
    for name in ("Enriched_Catalog", "OUTCOMES", '"requests"', "Partner_Results"):
        query = f"SELECT count(*) AS n FROM {name}"  # noqa: S608
        assert csv_rows(tmp_path, query) == [["n"], ["0"]]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("SELECT sum(n) AS total FROM (VALUES (9223372036854775807), (1)) AS t(n)", '"total" has a number beyond 64'),
        ("SELECT 9223372036854775807 + 1", "Overflow in addition of INT64"),
        ("SELECT 99999999999999999999 AS id", '"id" has a number beyond 64 bits'),
        ("SELECT 340282366920938463463374607431768211455::UHUGEINT AS n", '"n" has a number beyond 64 bits'),
    ],
)
def test_a_number_beyond_64_bits_is_a_sentence(tmp_path: Path, query: str, said: str) -> None:
    result = sql(query, "--folder", str(tmp_path))
    assert result.exit_code == 1
    assert said in " ".join(result.output.split())
    assert "Traceback" not in result.output


def test_a_number_beyond_64_bits_is_shown_where_the_query_casts_it(tmp_path: Path) -> None:
    query = "SELECT sum(n)::VARCHAR AS total FROM (VALUES (9223372036854775807), (1)) AS t(n)"
    assert csv_rows(tmp_path, query)[1:] == [["9223372036854775808"]]


LONG = "a rather long text of many words, " * 10
PAIR = f"SELECT 'MNG-C4G0F4AW' AS manga_id, DATE '2026-11-28' AS day, 12345.678901 AS cost_usd, '{LONG}' AS summary"
EACH = ("MNG-C4G0F4AW", "2026-11-28", "12345.678901")


@pytest.mark.parametrize("options", [(), ("--wide",)])
def test_what_is_piped_has_full_texts_and_a_line_each_row(tmp_path: Path, options: tuple[str, ...]) -> None:
    lines = sql(PAIR, "--folder", str(tmp_path), *options).stdout.splitlines()
    (line,) = (line for line in lines if "MNG-" in line)
    assert all(each in line for each in (*EACH, LONG.strip()))


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_on_a_terminal_ids_dates_and_money_are_whole_and_nothing_is_wider(tmp_path: Path, columns: int) -> None:
    shown = on_a_terminal(tmp_path, PAIR, columns)
    assert all(each in shown for each in EACH)
    assert max(map(len, shown.splitlines())) <= columns
    assert "summary" in shown


def test_more_columns_than_a_line_holds_are_a_block_each_row_with_full_texts(tmp_path: Path) -> None:
    query = "SELECT " + ", ".join(f"'value{number}' AS a_long_name_{number}" for number in range(12))
    shown = on_a_terminal(tmp_path, f"{query}, '{LONG}' AS summary", 80)
    assert [line.split() for line in shown.splitlines() if "a_long_name_3" in line] == [["a_long_name_3", "value3"]]
    assert " ".join(shown.split()).count("a rather long text of many words,") == 10
    assert "1 row" in shown


def on_a_terminal(folder: Path, query: str, columns: int) -> str:
    """Through a pseudo-terminal's width: what a person sees there."""
    shown = io.StringIO()
    printing.print_table(open_session(folder).query(query), wide=False, terminal=shown, columns=columns)
    return shown.getvalue()


def test_parquet_keeps_types(tmp_path: Path) -> None:
    written = sql("SELECT 1 AS n, ['漫画'] AS themes", "--folder", str(tmp_path), "--format", "parquet").stdout_bytes
    assert pq.read_table(io.BytesIO(written)).to_pylist() == [{"n": 1, "themes": ["漫画"]}]
