"""The analyses that count: the packaged ones, and the documents of MANGA_ANALYSES_DIR on top.

Belongs here: reading the folder. Stays out: what a document may say (`domain/analyses/documents.py`), what must hold
between them (`domain/analyses/own.py`).
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from manga_enrichment.domain.analyses import AnalysisSet, packaged_analyses
from manga_enrichment.domain.analyses.base import Rules
from manga_enrichment.domain.analyses.documents import MOST_CHARACTERS, AnalysisDocumentError
from manga_enrichment.domain.analyses.own import Surroundings, with_own
from manga_enrichment.domain.analyses.own_rules import guarded
from manga_enrichment.domain.catalog.columns import CATALOG_COLUMNS
from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.domain.prompts.prompt import TITLE_FIELDS
from manga_enrichment.settings.variables import Settings

SETTING = "MANGA_ANALYSES_DIR"
_MODULE = ".py"
_DOCUMENT = ".toml"
_MOST_BYTES = 4 * MOST_CHARACTERS


def known_analyses(settings: Settings) -> AnalysisSet:
    """The same object as long as nothing changes. Raises ConfigurationError, a sentence for each fault."""
    if not settings.analyses_dir:
        return packaged_analyses()
    folder = Path(settings.analyses_dir)
    return analyses_of(folder)


def analyses_of(folder: Path) -> AnalysisSet:
    """The packaged analyses and the documents of a folder. Raises ConfigurationError."""
    try:
        return _assembled(str(folder), tuple(sorted(_texts(folder))))
    except AnalysisDocumentError as error:
        lines = "\n".join(f"  {line}" for line in str(error).splitlines())
        raise ConfigurationError(f"{SETTING}={folder} cannot be used:\n{lines}") from error


@lru_cache(maxsize=16)
def _assembled(folder: str, texts: tuple[tuple[str, str], ...]) -> AnalysisSet:
    documents = {name: text for name, text in texts if name.endswith(_DOCUMENT)}
    modules = {name.removesuffix(_MODULE): text for name, text in texts if name.endswith(_MODULE)}
    read = {name: replace(_rules(Path(folder, name + _MODULE)), source=text) for name, text in modules.items()}
    rules = {name: guarded(name, each) for name, each in read.items()}
    return with_own(documents, rules, Surroundings(TITLE_FIELDS, {each.name for each in CATALOG_COLUMNS}))


def _texts(folder: Path) -> Iterator[tuple[str, str]]:
    """(name, text) of documents and of modules beside them. Raises ConfigurationError."""
    if not folder.is_dir():
        raise ConfigurationError(f"{SETTING}={folder} is no folder: make it, or unset the variable")
    for path in folder.iterdir():
        if path.suffix not in (_DOCUMENT, _MODULE) or path.name.startswith((".", "_")):
            continue
        try:
            if path.stat().st_size > _MOST_BYTES:
                raise ConfigurationError(f"{path} has more than {_MOST_BYTES:,} bytes; shorten it")
            yield path.name, path.read_text("utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"{path} cannot be read: {error}") from error


def _rules(path: Path) -> Rules:
    """RULES of a module. It is the operator's own code, as the folder is."""
    spec = spec_from_file_location(f"own_analyses_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise AnalysisDocumentError(f"{path.name}: it is no module")
    module = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # anybody's code
        raise AnalysisDocumentError(f"{path.name}: it ends with {type(error).__name__}: {error}") from error
    rules = getattr(module, "RULES", None)
    if not isinstance(rules, Rules):
        raise AnalysisDocumentError(f"{path.name}: it has no RULES; write RULES = Rules(check=…) at its end")
    return rules
