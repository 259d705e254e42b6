"""`manga-enrichment partners`: over the local stack, as people type it."""

import json
from pathlib import Path

import pytest

from manga_enrichment.aws.gateways import Gateways
from manga_enrichment_tests.cli.conftest import Command

DOCUMENT = {
    "*": {"micro_usd_per_day": 5_000_000},
    "acme": {"keys": ["acme-1"], "micro_usd_per_month": 9_000_000},
    "globex": ["globex-1", "globex-2"],
}


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, aws_environment: dict[str, str]) -> Path:
    del aws_environment  # set before, since it names a file of its own
    made = tmp_path / "partners.json"
    made.write_text(json.dumps(DOCUMENT), "utf-8")
    monkeypatch.setenv("MANGA_PARTNERS_FILE", str(made))
    return made


def test_check_says_what_there_is_or_all_that_is_wrong(command: Command, file: Path, tmp_path: Path) -> None:
    assert command("partners", "check").stdout == f"{file}: 2 partners, 3 keys\n"
    file.write_text(json.dumps(DOCUMENT), "utf-8-sig")  # as some editors save it
    assert command("partners", "check").stdout == f"{file}: 2 partners, 3 keys\n"
    assert json.loads(command("partners", "show", "globex").stdout)["policy"]["keys"] == ["globex-1", "globex-2"]
    assert command("partners", "template", str(file)).exit_code == 0
    wrong = tmp_path / "wrong.json"
    wrong.write_text('{"acme": {"burst": 0, "lane_share": 2}}', "utf-8")
    said = command("partners", "check", str(wrong))
    assert (said.exit_code, said.stderr.count("acme.")) == (1, 2)
    wrong.write_text("{", "utf-8")
    assert "cannot be read" in command("partners", "check", str(wrong)).stderr


def test_a_row_changes_what_counts_and_show_and_list_say_so(
    command: Command, file: Path, gateways: Gateways, fresh_stack_state: None
) -> None:
    del file
    changed = command("partners", "change", "acme", '{"micro_usd_per_day": 7, "models": ["haiku"]}')
    assert changed.exit_code == 0, changed.stderr
    shown = json.loads(command("partners", "show", "acme").stdout)
    assert shown["changes"] == {"micro_usd_per_day": 7, "models": ["haiku"]} == gateways.requests.policy_changes("acme")
    assert shown["policy"] == {
        "keys": ["acme-1"],
        "micro_usd_per_day": 7,
        "micro_usd_per_month": 9_000_000,
        "lane_share": 1.0,
        "models": ["haiku"],
    }
    listed = {each["partner"]: each for each in json.loads(command("partners", "list", "--json").stdout)}
    assert listed["acme"] == shown
    assert listed["globex"]["policy"]["micro_usd_per_day"] == 5_000_000
    words = command("partners", "list").stdout.splitlines()
    assert [line.endswith("(changed by its row)") for line in words] == [True, False]
    assert command("partners", "change", "acme", "{}").exit_code == 0
    assert json.loads(command("partners", "show", "acme").stdout)["changes"] == {}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ("{", "no JSON"),
        ("[]", "must be an object"),
        ('{"email_addresses": ["x@evil.example"]}', "a row changes analyses"),
        ('{"lane_share": 7}', "lane_share: must be at most 1"),
    ],
)
def test_what_a_row_may_not_say_is_refused_and_changes_nothing(
    command: Command, file: Path, gateways: Gateways, changes: str, told: str
) -> None:
    del file
    refused = command("partners", "change", "initech", changes)
    assert refused.exit_code != 0
    assert told in refused.stderr
    assert gateways.requests.policy_changes("initech") == {}
