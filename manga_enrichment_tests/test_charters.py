"""Charters and documents name files that exist and names that those files hold.

A charter is a module's docstring: what it is, what belongs there, what stays out and where that lies instead. Code
moves and charters stay behind; so every path in one, as in all docstrings, is looked up: from the module's own folder,
from the package, from the root of the repository. A path with a star must match something. `file.py:name` must be a
name that the file defines.

A bare name that the package's code spells out, such as `job.json`, is an object that it writes, not a file of ours; a
document may write files of its own in its examples (`> question.json`).
"""

import ast
import re
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "manga_enrichment"
MODULES = sorted(PACKAGE.rglob("*.py"))
DOCUMENTS = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])

_PATH = re.compile(r"(?<![\w./{}<>*:~$-])([\w.*-]+(?:/[\w.*-]+)*\.(?:py|toml|json|yaml|md))(?::(\w+))?(?![\w/*-]|\.\w)")


def problems(text: str, folder: Path, objects: Collection[str] = ()) -> list[str]:
    """What a text in `folder` says of files that is not so. objects: names of what the package writes."""
    found = []
    for path, name in _PATH.findall(text):
        files = [file for base in (folder, PACKAGE, ROOT) for file in base.glob(path)]
        if not files and (path in objects or f"> {path}" in text):
            continue
        if not files:
            found.append(f"{path} does not exist")
        elif name and not any(name in defined_names(file) for file in files):
            found.append(f"{path} does not define {name}")
    return found


def defined_names(file: Path) -> set[str]:
    """Functions, classes, methods and variables that a module defines, at any depth."""
    tree = ast.walk(ast.parse(file.read_text("utf-8")))
    return {name for node in tree for name in _names_of(node)}


def texts_of(module: ast.Module) -> list[str]:
    """Docstrings of the module and all that it defines, and the strings that stand under constants."""
    bare = (node.value for node in ast.walk(module) if isinstance(node, ast.Expr))
    return [node.value for node in bare if isinstance(node, ast.Constant) and isinstance(node.value, str)]


@pytest.fixture(scope="module")
def objects() -> set[str]:
    """File names among the strings of the package's code."""
    trees = (ast.parse(module.read_text("utf-8")) for module in MODULES)
    strings = {node.value for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    return {text for text in strings if isinstance(text, str) and re.fullmatch(r"[\w-]+\.\w+", text)}


def _names_of(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id


@pytest.mark.parametrize("module", MODULES, ids=lambda module: str(module.relative_to(ROOT)))
def test_a_charter_is_there_and_names_what_exists(module: Path, objects: set[str]) -> None:
    tree = ast.parse(module.read_text("utf-8"))
    assert ast.get_docstring(tree), "a module opens with its charter"
    assert problems("\n".join(texts_of(tree)), module.parent, objects) == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: str(document.relative_to(ROOT)))
def test_a_document_names_what_exists(document: Path, objects: set[str]) -> None:
    assert problems(document.read_text("utf-8"), document.parent, objects) == []


def test_there_are_modules_and_documents_to_look_at() -> None:
    assert len(MODULES) > 200
    assert len(DOCUMENTS) > 5


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("Stays out: asking (`elsewhere.py`).", "elsewhere.py does not exist"),
        ("Stays out: asking (`pipeline/engine/nowhere.py`).", "pipeline/engine/nowhere.py does not exist"),
        ("See docs/nothing.md.", "docs/nothing.md does not exist"),
        ("*.nothing.json   the documents", "*.nothing.json does not exist"),
        ("`engine.py:Motor` asks.", "engine.py does not define Motor"),
        ("`pipeline/engine/engine.py:Motor` asks.", "pipeline/engine/engine.py does not define Motor"),
    ],
)
def test_a_false_charter_is_found_out(text: str, problem: str) -> None:
    assert problems(text, PACKAGE / "pipeline" / "engine") == [problem]


@pytest.mark.parametrize(
    "text",
    [
        "Stays out: one call (`call_loop.py`), tables (`pipeline/enrichment/write.py`), see docs/architecture.md.",
        "`engine.py:Engine` feeds, `feed.py:MAX_CLAIM_CHUNK` bounds it, `engine.py:run` runs it.",
        "*.py   modules; manga_enrichment/domain/requests/*.json   documents",
        "Written to report.json by us, beside report.json.out; echo {} > mine.json",
    ],
)
def test_a_true_charter_is_let_through(text: str) -> None:
    assert problems(text, PACKAGE / "pipeline" / "engine", {"report.json"}) == []
