"""Documents that are generated are up to date, and links lead somewhere."""

import ast
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from manga_enrichment.cli import main

REPOSITORY = Path(__file__).resolve().parents[1]
DOCUMENTS = [*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/**/*.md")]
LINK = re.compile(r"\]\(([^)#]+)\)")


@pytest.mark.parametrize(
    ("command", "document"),
    [("table-docs", "tables.md"), ("settings-docs", "settings.md"), ("retention-docs", "retention.md")],
)
def test_a_generated_document_is_what_its_command_prints(command: str, document: str) -> None:
    result = CliRunner().invoke(main, [command])
    assert result.exit_code == 0
    assert (REPOSITORY / "docs" / document).read_text("utf-8") == result.output


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_links_to_files_lead_somewhere(document: Path) -> None:
    targets = [link for link in LINK.findall(document.read_text("utf-8")) if "://" not in link]
    missing = [target for target in targets if not (document.parent / target).exists()]
    assert not missing


def test_every_command_the_documents_name_exists() -> None:
    named = {
        name
        for document in DOCUMENTS
        for name in re.findall(r"(?<![\w/-])manga-enrichment ([a-z][a-z-]+)", document.read_text("utf-8"))
    }
    assert named
    assert named <= set(main.commands)


def test_the_first_hour_of_a_contributor_can_be_run_as_it_is_written() -> None:
    """Its targets exist, and the edit that it makes finds what it replaces."""
    text = (REPOSITORY / "CONTRIBUTING.md").read_text("utf-8").partition("## Commands")[0]
    commands = [line.strip() for line in text.splitlines() if line.startswith("    ")]
    makefile = (REPOSITORY / "Makefile").read_text("utf-8")
    targets = [word for command in commands if command.startswith("make ") for word in command.split()[1:]]
    assert len(targets) >= 3
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)
    (edit,) = (command for command in commands if command.startswith("sed "))
    (found,), file = re.findall(r"'s/([^/]+)/", edit), REPOSITORY / edit.split()[-1]
    assert file.read_text("utf-8").count(found) == 1
    assert all((REPOSITORY / command.split()[-1]).exists() for command in commands if " pytest " in command)


def test_every_page_has_its_place_in_the_site() -> None:
    tree = ast.parse((REPOSITORY / "docs" / "conf.py").read_text("utf-8"))
    (order,) = (
        ast.literal_eval(each.value)
        for each in tree.body
        if isinstance(each, ast.Assign) and getattr(each.targets[0], "id", "") == "ORDER"
    )
    placed = [page for pages in order.values() for page in pages]
    assert len(placed) == len(set(placed))
    assert all((REPOSITORY / f"{page}.md").exists() for page in placed)
    pages = {str(path.relative_to(REPOSITORY).with_suffix("")) for path in DOCUMENTS if "decisions/0" not in str(path)}
    assert pages - set(placed) == {"README"}
    for page in ["README", *placed]:
        text, folder = (REPOSITORY / f"{page}.md").read_text("utf-8"), (REPOSITORY / page).parent
        linked = {
            (folder / link).resolve() for link in LINK.findall(text) if "://" not in link and link.endswith(".md")
        }
        strange = {str(path.relative_to(REPOSITORY).with_suffix("")) for path in linked} - {*placed, "README"}
        assert not [each for each in strange if "decisions/0" not in each], f"{page} links to what the site has not"


def test_every_decision_says_what_led_to_it_what_follows_and_what_was_measured() -> None:
    folder = REPOSITORY / "docs" / "decisions"
    records = sorted(folder.glob("[0-9]*.md"))
    assert len(records) >= 5
    assert [record.name for record in records] == LINK.findall((folder / "README.md").read_text("utf-8"))
    for record in records:
        headings = re.findall(r"^## (.+)$", record.read_text("utf-8"), re.MULTILINE)
        assert headings == ["Context", "Decision", "Consequences", "Measured"], record.name
