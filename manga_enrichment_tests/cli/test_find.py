"""`manga-enrichment find` over the local stack: the index is fetched from S3, as a second machine does."""

import json
from pathlib import Path

from manga_enrichment.aws.gateways import Gateways
from manga_enrichment.pipeline.candidates.shared import SharedIndex
from manga_enrichment_tests.builders import BUCKET, put_catalog, record
from manga_enrichment_tests.cli.conftest import Command


def test_titles_are_found_by_half_of_their_name(
    command: Command, gateways: Gateways, fresh_stack_state: None, tmp_path: Path
) -> None:
    before = command("find", "lantern")
    assert before.exit_code == 1
    assert "materialize similar_candidates first" in before.output

    titles = [record(1, title="Lanternfall"), record(2, title="霧笛の港", title_kana="ムテキノミナト"), record(3)]
    put_catalog(gateways.tables, titles)
    said: list[str] = []
    shared = SharedIndex(
        gateways.tables, [BUCKET], gateways.clock, holder="a run", full_after=14, say=said.append, home=tmp_path
    )
    shared.get("v1")
    assert said == ["indexing the whole catalog for candidate search"]

    [found] = json.loads(command("find", "lantern fal", "--limit", "1", "--json").output)
    assert (found["manga_id"], found["title"], found["reasons"][0]) == (titles[0].manga_id, "Lanternfall", "title")
    assert "霧笛の港" in command("find", "muteki no minato").output
    assert "nothing found" in command("find", "???").output

    asked = command("sql", "similar_to", "--param", "title=lantern fal", "--format", "json")
    assert (asked.exit_code, asked.output) == (0, ""), "the words mean a title, of which nothing was asked yet"
