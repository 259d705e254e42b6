"""Help is whole, and options of all commands stand before or after a command's name."""

from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from manga_enrichment.cli import main


def groups(group: click.Group = main, *path: str) -> Iterator[tuple[str, ...]]:
    yield path
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from groups(command, *path, name)


@pytest.mark.parametrize("columns", [80, 120])
@pytest.mark.parametrize("path", list(groups()), ids=" ".join)
def test_every_command_is_listed_with_a_whole_sentence(path: tuple[str, ...], columns: int) -> None:
    shown = CliRunner().invoke(main, [*path, "--help"], terminal_width=columns).stdout
    listed = shown.partition("Commands:")[2]
    assert listed.strip()
    assert "..." not in listed
    assert max(map(len, shown.splitlines())) <= columns


@pytest.mark.parametrize(
    "arguments",
    [
        ["--local", "--state-dir", "STATE", "sql", "SELECT 1"],
        ["sql", "SELECT 1", "--local", "--state-dir", "STATE"],
        ["sql", "--state-dir=STATE", "SELECT 1", "--local"],
        ["brake", "status", "--local", "--state-dir", "STATE"],
    ],
)
def test_the_stack_is_named_before_or_after_the_command(tmp_path: Path, arguments: list[str]) -> None:
    state = str(tmp_path / "state")
    result = CliRunner().invoke(main, [each.replace("STATE", state) for each in arguments])
    assert f"No local stack runs on {state}" in " ".join(result.output.split()), result.output


def test_behind_two_dashes_nothing_is_an_option(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["sql", "--folder", str(tmp_path), "--", "--local"])
    assert "--local is neither a file nor a shipped question" in result.output


def test_a_folder_named_before_demo_and_dev_is_theirs(tmp_path: Path) -> None:
    for command in ("demo", "dev"):
        with main.make_context("manga-enrichment", ["--state-dir", str(tmp_path), command]) as root:
            assert main.commands[command].make_context(command, [], parent=root).params["state_dir"] == tmp_path
