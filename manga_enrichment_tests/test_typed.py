"""Whatever the pages tell people to type is run by a test to its end, or stands here with the reason why not."""

import importlib.util
import re
import shlex
from pathlib import Path

import click
import pytest

from manga_enrichment.cli import main
from manga_enrichment_tests.documents import PROGRAMS, REPOSITORY, Command, commands, in_sentences

PAGE_OF_PARTNERS = "end_to_end/test_partner_page.py"
RUN_BY = {
    "manga-enrichment": "end_to_end/test_typed_commands.py",
    "mkdir": "end_to_end/test_typed_commands.py",
    "dagster": "end_to_end/test_typed_runs.py",
    "bash": "deploy/test_deploy_plan.py",
    "aws": "deploy/test_aws_commands.py",
    "curl": "end_to_end/test_curl_lines.py",
    "jq": PAGE_OF_PARTNERS,
}
"""Program -> the test that takes all of its lines from the pages."""
BESIDE = {
    "export": "variables of the lines after it",
    "eval": "the same, by `api-access`: cli/test_api.py",
    "cd": "where the lines after it are typed",
    "git": "another version of this repository",
    "cat": f"files of the lines after it, which {PAGE_OF_PARTNERS} and end_to_end/test_typed_commands.py put there",
    "echo": "the same",
    "cp": "the same: deploy/test_deploy.py reads what is copied",
    "printf": "a password of one's own",
    "tail": "shows a file",
    "pip": "end_to_end/test_wheel.py installs the wheel, for which what it needs is there already",
    "docker": "no containers where tests run: deploy/test_deploy.py holds what they are told to Dagster's own schema",
}
"""Programs that do nothing by themselves, or cannot be run."""
NOT_TO_ITS_END = {
    "make test": "this is it",
    "make chaos": "hours; chaos/test_cells.py runs a part",
    "make lint": "CI runs it before the tests",
    "make format": "changes files; `make lint` finds what it would change",
    "make hooks": "changes this clone's .git",
    "make bench": "twenty minutes, and its figures are not judged",
    "make demo": "end_to_end/test_demo.py and test_wheel.py run the command",
    "make dev": "serves until Ctrl-C: end_to_end/test_wheel.py",
    "make docs": "a site by Sphinx, which no test needs; test_docs.py follows the links",
    "make fleet-demo": "the same as a demo, for minutes; fleet/test_killed_tasks.py has its parts",
    "make test-fast": "a part of `make test`",
    "make --silent deploy-plan": "deploy/test_deploy_plan.py prints and runs the plan",
    "python -m benchmarks": "minutes to hours, and figures are not judged; test_benchmark_*.py have what counts",
    "python docs/analysts_notebook.py": "analysts/test_notebook.py runs it",
    "python -m pytest": "this is it",
    "python -m manga_enrichment.local.dagster_servers": "serves until it is told to end: end_to_end/test_typed_runs.py",
    "python -m manga_enrichment.local.model_server": "serves until it is told to end, for most of the tests",
}
"""Beginning of a line -> why no test runs it from the page."""
LINES = commands("make", "python")


def reason(command: Command) -> str:
    line = " ".join(command.words())
    return next((why for begins, why in NOT_TO_ITS_END.items() if line.startswith(begins)), "")


def test_every_command_of_the_pages_has_its_test_or_its_reason() -> None:
    everything = commands(*PROGRAMS)
    assert len(everything) > 150
    used = {each.program for each in everything}
    assert used - {"make", "python"} == {*RUN_BY, *BESIDE}
    assert {each.page for each in commands("curl")} == {"docs/api.md"}
    assert {each.page for each in commands("jq")} == {"docs/partners.md"}
    assert [each.text for each in LINES if not reason(each)] == []
    unused = [begins for begins in NOT_TO_ITS_END if not any(" ".join(c.words()).startswith(begins) for c in LINES)]
    assert unused == []


@pytest.mark.parametrize("test", sorted(set(RUN_BY.values())))
def test_the_test_that_runs_them_takes_them_from_the_pages(test: str) -> None:
    text = (Path(__file__).parent / test).read_text("utf-8")
    assert "manga_enrichment_tests.documents import" in text or re.search(
        r'docs/[a-z]+\.md|"docs" / "[a-z]+\.md"', text
    )


def test_every_test_that_a_reason_names_exists() -> None:
    reasons = " ".join([*BESIDE.values(), *NOT_TO_ITS_END.values()])
    named = re.findall(r"[\w/*]+\.py", reasons.replace(" and test_wheel.py", " and end_to_end/test_wheel.py"))
    assert len(named) >= 8
    assert [name for name in named if not list(Path(__file__).parent.glob(name))] == []


MAKE = [each for each in LINES if each.program == "make"]


@pytest.mark.parametrize("command", MAKE, ids=lambda each: f"{each.page}: {each.text}")
def test_what_is_made_can_be_made(command: Command) -> None:
    targets = re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text("utf-8"), re.MULTILINE)
    (target,) = (word for word in command.text.partition(" > ")[0].split()[1:] if not word.startswith("--"))
    assert target in targets


MODULES = [each for each in LINES if each.program == "python"]


@pytest.mark.parametrize("command", MODULES, ids=lambda each: f"{each.page}: {each.text}")
def test_a_module_that_is_run_is_there_and_knows_its_options(command: Command) -> None:
    option, *words = command.text.partition(" > ")[0].split()[1:]
    if option != "-m":
        assert (REPOSITORY / option).exists()
        return
    module = words.pop(0)
    if module == "benchmarks" and words and not words[0].startswith("-"):
        module = f"benchmarks.{words.pop(0)}"
    spec = importlib.util.find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    if module == "pytest":
        assert all((REPOSITORY / word).exists() for word in words if not word.startswith("-"))
        return
    place = Path(spec.origin)
    files = place.parent.glob("*.py") if place.name == "__init__.py" else [place]
    source = "".join(file.read_text("utf-8") for file in files)
    assert [word for word in words if word.startswith("--") and f'"{word}"' not in source] == []


SENTENCES = in_sentences("manga-enrichment")


def unknown(words: list[str]) -> list[str]:
    """Commands and options that the command line does not have, of a line or of its beginning."""
    command: click.Command = main
    faults = []
    for word in words:
        if word.startswith("--"):
            known = [option for each in command.params for option in (*each.opts, *each.secondary_opts)]
            faults += [] if word.partition("=")[0] in known else [f"{command.name} has no {word}"]
        elif isinstance(command, click.Group) and word in command.commands:
            command = command.commands[word]
        elif command is main and word != "...":
            faults.append(f"there is no {word}")
    return faults


@pytest.mark.parametrize("command", SENTENCES, ids=lambda each: f"{each.page}: {each.text}")
def test_a_command_in_a_sentence_has_options_that_there_are(command: Command) -> None:
    assert unknown(command.words()[1:]) == []


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("nights", "there is no nights"),
        ("brake on --for-good", "on has no --for-good"),
        ("--remote sql", "main has no --remote"),
    ],
)
def test_a_command_that_there_is_not_is_found(line: str, said: str) -> None:
    assert unknown(shlex.split(line)) == [said]
    assert len(SENTENCES) > 30
