"""Pages ask the index that a night's candidate search leaves, in people's words."""

import re
from pathlib import Path
from urllib.parse import quote

import pytest

from manga_enrichment.cli.browse import INDEX_SECONDS, find_in_words
from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.pipeline.candidates.asking import Asking
from manga_enrichment.pipeline.candidates.shared import SharedIndex
from manga_enrichment_tests.browse_world import JAPANESE, Site
from manga_enrichment_tests.builders import BUCKET, title_id
from manga_enrichment_tests.fakes import FakeClock, MemoryTables


@pytest.fixture(scope="module")
def words(tables: MemoryTables, tables_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Site:
    folder = tmp_path_factory.mktemp("browse-words")
    store = MemoryTables()
    store.objects.update(tables.objects)
    index = SharedIndex(
        store, [BUCKET], FakeClock(), holder="a run", full_after=14, say=lambda _line: None, home=folder / "index"
    )
    index.get("v1")

    def opened() -> Asking:
        lists = index.latest()
        assert lists is not None
        return Asking(lists)

    made = Site(tables_folder, folder / "home", find=find_in_words(opened, FakeClock()))
    made.shelf.refresh()
    return made


def listed(site: Site, asked: str) -> list[str]:
    """Ids of a page, in its order."""
    return re.findall(r'<td class="text"><a href="/titles/([^"]+)"', site.get(f"/?by=words&q={asked}").text)


@pytest.mark.parametrize("asked", ["the+bookshp+by+the+see+3", "bookshop+sea+3"])
def test_a_misspelt_title_comes_first(words: Site, asked: str) -> None:
    assert listed(words, asked)[0] == title_id(3)


@pytest.mark.parametrize("asked", [JAPANESE, "katatsumuri+no+gogo", "かたつむり"])
def test_a_reading_finds_the_japanese_title(words: Site, asked: str) -> None:
    assert listed(words, quote(asked, safe="+"))[0] == title_id(1)


def test_the_page_says_why_a_title_was_found_and_filters_hold(words: Site) -> None:
    page = words.get("/?by=words&q=bookshop+sea").text
    assert "found by title" in page
    everything = listed(words, "bookshop+sea")
    only = listed(words, "bookshop+sea&outcome=failed")
    assert only == [title_id(2)]
    assert set(only) < set(everything)


def test_nothing_is_found_in_words_that_mean_nothing(words: Site) -> None:
    assert "No title" in words.get("/?by=words&q=%3F%3F%3F").text


def test_a_missing_index_is_a_sentence_and_is_looked_for_again(tables_folder: Path, tmp_path: Path) -> None:
    asked: list[int] = []

    def missing() -> Asking:
        asked.append(1)
        raise ConfigurationError("There is no candidate index yet: materialize similar_candidates first")

    site = Site(tables_folder, tmp_path, find=find_in_words(missing, FakeClock()))
    site.shelf.refresh()
    for times in (1, 2):
        answer = site.get("/?by=words&q=sea")
        assert (answer.status, len(asked)) == (400, times)
        assert "materialize similar_candidates first" in answer.text


def test_the_index_is_opened_again_after_a_while() -> None:
    """Pages run for weeks, and each night leaves another index."""
    clock, opened = FakeClock(), list[int]()

    class Counting:
        def __init__(self) -> None:
            opened.append(len(opened))

        def find(self, _words: str, _limit: int) -> list[object]:
            return []

    find = find_in_words(Counting, clock)  # type: ignore[arg-type]
    for _ in range(3):
        find("sea")
    assert opened == [0]
    clock.advance(INDEX_SECONDS)
    find("sea")
    assert opened == [0, 1]
