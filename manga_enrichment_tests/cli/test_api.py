"""The commands of the request front say what is wrong and give what a shell can use."""

import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from manga_enrichment.cli import main
from manga_enrichment.cli.api import api_access
from manga_enrichment.local.api_client import ApiClient
from manga_enrichment.local.stack.local_stack import LocalStack


def test_the_address_and_key_that_are_printed_let_a_partner_in(local_stack: LocalStack) -> None:
    result = CliRunner().invoke(api_access, obj=local_stack.endpoints)
    assert result.exit_code == 0
    words = dict(word.split("=", 1) for word in shlex.split(result.output) if word != "export")
    answer = ApiClient(words["API"], words["API_KEY"]).call("GET", "/v1/manga/status/nobody")
    assert (answer.status, answer.document["error"]["code"]) == (404, "NOT_FOUND")


def test_an_unknown_key_is_an_error_that_says_where_keys_come_from(local_stack: LocalStack) -> None:
    result = CliRunner().invoke(api_access, ["acme-9"], obj=local_stack.endpoints)
    assert result.exit_code == 1
    assert "no API key acme-9: add it to infra/partners.json" in result.output


def test_without_a_local_stack_the_command_says_what_to_do() -> None:
    result = CliRunner().invoke(main, ["api-access"])
    assert result.exit_code == 1
    assert "Say manga-enrichment --local api-access" in result.output


def test_a_file_of_partners_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    plain, marked = tmp_path / "plain.json", tmp_path / "marked.json"
    plain.write_text('{"acme": ["acme-1"]}', "utf-8")
    marked.write_text('{"acme": ["acme-1"]}', "utf-8-sig")
    printed = [CliRunner().invoke(main, ["api-template", "--partners", str(each)]) for each in (plain, marked)]
    assert [each.exit_code for each in printed] == [0, 0]
    assert printed[0].output == printed[1].output
    assert "acme-1" in printed[0].output


@pytest.mark.parametrize(
    ("text", "problem"), [("{", "Expecting"), ('{"a b": []}', "no partner id"), ("[]", "JSON object")]
)
def test_a_file_of_partners_that_cannot_be_read_is_named_with_its_fault(
    text: str, problem: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.mktemp("partners") / "partners.json"
    file.write_text(text, "utf-8")
    result = CliRunner().invoke(main, ["api-template", "--partners", str(file)])
    assert result.exit_code == 1
    assert str(file) in result.output.replace("\n", "")
    assert problem in result.output
