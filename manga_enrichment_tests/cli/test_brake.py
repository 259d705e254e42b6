"""`manga-enrichment brake`: over the local stack, as people type it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from manga_enrichment.aws.gateways import Gateways
from manga_enrichment_tests.cli.conftest import Command


@pytest.fixture(autouse=True)
def brake_is_off(gateways: Gateways, fresh_stack_state: None) -> Iterator[None]:
    yield
    gateways.budget.take_brake_off()


def test_on_status_off_and_what_each_says(command: Command) -> None:
    assert command("brake", "status").stdout == "the brake is off\n"
    on = command("brake", "on", "--because", "the bill looks wrong")
    assert on.exit_code == 0
    assert on.stdout.startswith("the brake is on since ")
    assert on.stdout.endswith(": the bill looks wrong\n")
    assert command("brake", "status").stdout == on.stdout
    assert command("brake", "off").stdout.startswith("the brake is off; it was on since ")
    assert command("brake", "off").stdout == "the brake is off\n"


def test_it_needs_a_reason(command: Command, gateways: Gateways) -> None:
    assert "Missing option '--because'" in command("brake", "on").stderr
    blank = command("brake", "on", "--because", " ")
    assert (blank.exit_code, "needs a reason" in blank.stderr) == (1, True)
    assert gateways.budget.brake() is None


def test_a_terminal_does_not_obey_a_reason(command: Command) -> None:
    on = command("brake", "on", "--because", "red \x1b[31malert")
    assert on.stdout.endswith(": red \\x1b[31malert\n")
    assert "\x1b" not in command("status", "--partitions").stderr


def test_as_json_it_says_the_same_to_programs(command: Command) -> None:
    on = json.loads(command("brake", "on", "--because", "a test", "--json").stdout)
    assert (on["brake"], on["because"], on["was_on_before"], on["jobs"]) == ("on", "a test", False, [])
    again = json.loads(command("brake", "on", "--because", "another", "--json").stdout)
    assert (again["because"], again["since"], again["was_on_before"]) == ("a test", on["since"], True)
    assert json.loads(command("brake", "off", "--json").stdout)["brake"] == "off"


def test_status_says_on_stderr_that_it_is_on_and_nothing_when_it_is_off(command: Command) -> None:
    off = command("status", "--partitions", "--json")
    command("brake", "on", "--because", "a test")
    on = command("status", "--partitions", "--json")
    assert (off.exit_code, on.exit_code, off.stderr) == (0, 0, "")
    assert on.stderr.startswith("the brake is on since ")
    assert on.stdout == off.stdout


def test_the_report_has_a_banner(command: Command, tmp_path: Path) -> None:
    command("brake", "on", "--because", "<b>a test</b>")
    assert command("report", "--out", tmp_path / "report.html").exit_code == 0
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "Nothing is asked of a model: the brake is on since " in page
    assert "&lt;b&gt;a test&lt;/b&gt;" in page
