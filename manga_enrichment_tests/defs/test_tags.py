"""Tags have one home: a literal elsewhere could be renamed on one side alone, and nobody would read it any more."""

import ast
from collections.abc import Iterator
from pathlib import Path

import manga_enrichment
from manga_enrichment.defs.shared import tags
from manga_enrichment.defs.shared.metadata import ROW_COUNT
from manga_enrichment.defs.shared.tables import COLUMN_SCHEMA

PACKAGE = Path(manga_enrichment.__file__).parent
OURS = frozenset(value for name, value in vars(tags).items() if name.endswith("_TAG"))


def looks_like_a_tag(text: str) -> bool:
    """Under its own name, or under a prefix that only tags have."""
    is_metadata = text in (ROW_COUNT, COLUMN_SCHEMA)
    return not is_metadata and (text in OURS or text.startswith(("manga/", "dagster/", ".dagster/")))


def literals(source: str) -> Iterator[str]:
    return (
        node.value
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def found_in(path: Path) -> set[str]:
    return {text for text in literals(path.read_text("utf-8")) if looks_like_a_tag(text)}


def test_no_module_beside_the_tags_own_writes_a_tag_as_a_literal() -> None:
    home = Path(tags.__file__)
    modules = [*PACKAGE.glob("defs/**/*.py"), *PACKAGE.glob("local/*.py"), *PACKAGE.glob("local/demo/*.py")]
    assert found_in(home) == OURS
    offenders = {str(path.relative_to(PACKAGE)): found_in(path) for path in modules if path != home}
    assert {path: texts for path, texts in offenders.items() if texts} == {}


def test_the_tags_are_those_that_runs_on_record_carry() -> None:
    """Renaming one would part the runs of before from those of after."""
    assert {
        "lane",
        "night",
        "manga/night_part",
        "manga/night_pass",
        "batch_job",
        "manga/queue",
        "manga/unit",
        "manga/resident",
        "manga/resident_slot",
        "manga/history_days",
        "manga/progress",
        "local/process",
        ".dagster/repository",
        ".dagster/grpc_info",
        "dagster/schedule_name",
        "dagster/backfill",
        "dagster/partition",
        "dagster/asset_partition_range_start",
        "dagster/asset_partition_range_end",
        "dagster/priority",
        "dagster/max_retries",
        "dagster/will_retry",
    } == OURS
