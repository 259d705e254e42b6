"""Lists of titles: every filter finds what it says, whatever script a title is typed in, and a URL is the state."""

import re
from pathlib import Path
from urllib.parse import parse_qsl

import pytest

from manga_enrichment.browse.search import MAX_PAGES, PAGE_ROWS, SORTS, BadQueryError, Wanted, facets, search, wanted_of
from manga_enrichment.pipeline.changes.replace import Origin
from manga_enrichment.pipeline.enrichment.wide_table import write_enriched
from manga_enrichment_tests.analyses import ANALYSES
from manga_enrichment_tests.browse_world import HOSTILE, JAPANESE, NAMES, Site, put_on_disk
from manga_enrichment_tests.builders import BUCKET, put_catalog, record, title_id
from manga_enrichment_tests.fakes import START, MemoryTables


def ids(site: Site, **query: str) -> list[str]:
    wanted = wanted_of(query, NAMES)
    return [row["manga_id"] for row in search(site.state.connection.cursor(), wanted, NAMES, None).rows]


@pytest.mark.parametrize(
    "typed",
    [
        "bookshop by the sea 1",
        "BOOKSHOP 1",
        "sea bookshop 1",
        JAPANESE,
        "かたつむり",
        "カタツムリ",
        "katatsumuri",
        "ごご",
        "naoko etranger",
        "Ｎａｏｋｏ",
        "佐藤",
        title_id(1),
        title_id(1).lower(),
    ],
)
def test_a_title_is_found_by_any_part_in_any_script_by_author_and_by_id(site: Site, typed: str) -> None:
    assert ids(site, q=typed) == [title_id(1)]


@pytest.mark.parametrize("typed", ["no such words", "%", "_", "' OR 1=1 --", "\\", "$word_0", HOSTILE + "x"])
def test_signs_are_text_and_find_nothing_that_has_them_not(site: Site, typed: str) -> None:
    assert ids(site, q=typed) == []


def test_a_hostile_title_is_found_by_its_own_text(site: Site) -> None:
    assert ids(site, q=HOSTILE) == [title_id(4)]


def test_everything_is_listed_by_title_and_what_begins_like_the_words_is_first(site: Site) -> None:
    assert ids(site) == [title_id(4), *(title_id(n) for n in (1, 2, 3)), title_id(5)]
    assert ids(site, q="o")[0] != title_id(5)
    assert ids(site, q="untold")[0] == title_id(5)


def test_filters_narrow_and_add_up(site: Site) -> None:
    assert ids(site, demographic="shounen") == [title_id(3)]
    assert ids(site, magazine="Monthly Tide") == [title_id(1)]
    assert ids(site, magazine="Monthly") == []
    assert ids(site, language="none") == [title_id(5)]
    assert ids(site, demographic="josei", magazine="Monthly Tide", q="sea") == [title_id(1)]
    assert ids(site, demographic="shounen", magazine="Monthly Tide") == []


def test_answers_can_be_filtered_by(site: Site) -> None:
    rows = {row["manga_id"]: row for row in search(site.state.connection.cursor(), Wanted(), NAMES, None).rows}
    answered = rows[title_id(1)]
    assert title_id(1) in ids(site, genre=answered["primary_genre"], level=answered["reading_level"])
    assert title_id(2) not in ids(site, genre=answered["primary_genre"])
    edge = str(answered["confidence"])
    assert title_id(1) in ids(site, confidence_from=edge, confidence_to=edge)
    assert ids(site, confidence_from="1", confidence_to="0") == []
    assert title_id(5) not in ids(site, confidence_to="1")


def test_titles_are_found_by_what_became_of_an_analysis(site: Site) -> None:
    assert ids(site, outcome="failed") == [title_id(2)]
    assert ids(site, outcome="insufficient_input", analysis="content_summary") == [title_id(5)]
    assert ids(site, outcome="insufficient_input", analysis="reading_level") == [title_id(5)]
    assert ids(site, outcome="deferred") == []
    assert len(ids(site, analysis="reading_level")) == 5


def test_costs_are_those_of_all_requests(site: Site) -> None:
    rows = {row["manga_id"]: row for row in search(site.state.connection.cursor(), Wanted(), NAMES, None).rows}
    assert rows[title_id(5)]["cost_micro_usd"] == 0
    cost = rows[title_id(1)]["cost_micro_usd"]
    assert cost > 0
    assert title_id(1) in ids(site, cost_from=str(cost / 1e6))
    assert title_id(1) not in ids(site, cost_from=str((cost + 1) / 1e6))
    assert ids(site, sort="cost")[-1] == title_id(5)


@pytest.mark.parametrize("sort", SORTS)
def test_every_sort_lists_every_title_once(site: Site, sort: str) -> None:
    assert sorted(ids(site, sort=sort)) == [title_id(n) for n in range(1, 6)]


def test_pages_follow_one_another_in_the_lists_order(tmp_path: Path) -> None:
    titles = [record(number) for number in range(1, 2 * PAGE_ROWS + 8)]
    tables = MemoryTables()
    put_catalog(tables, titles)
    write_enriched(tables, BUCKET, list(ANALYSES.values()), Origin("run-1", START))
    many = Site(put_on_disk(tables, tmp_path / "tables"), tmp_path / "home")
    many.shelf.refresh()
    pages = [ids(many, page=str(page), sort="newest") for page in (1, 2, 3, 4)]
    assert [len(page) for page in pages] == [PAGE_ROWS, PAGE_ROWS, 7, 0]
    assert [each for page in pages for each in page] == [title.manga_id for title in titles]
    assert "Page 2 of 3" in many.get("/?page=2").text
    assert 'rel="next" href="/?page=3"' in many.get("/?page=2").text


def test_facets_say_how_many_titles_have_a_value(site: Site) -> None:
    found = facets(site.state.connection.cursor())
    assert dict(found["demographic"]) == {"josei": 3, "shounen": 1}
    assert dict(found["magazine"]) == {"Monthly Tide": 1}
    assert sum(titles for _value, titles in found["language"]) == 5


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ({"page": "0"}, "page is a number from 1"),
        ({"page": str(MAX_PAGES + 1)}, "page is a number"),
        ({"page": "²"}, "page is a number"),
        ({"sort": "price"}, "sort is one of title, cost"),
        ({"by": "magic"}, "by is one of words"),
        ({"analysis": "nonsense); DROP TABLE titles"}, "analysis is one of genre_classification"),
        ({"outcome": "fine"}, "outcome is one of succeeded"),
        ({"confidence_to": "2"}, "confidence_to is a number from 0 to 1"),
        ({"confidence_from": "nan"}, "confidence_from is a number"),
        ({"cost_from": "much"}, "cost_from is a number"),
    ],
)
def test_what_cannot_be_meant_is_a_sentence(query: dict[str, str], told: str) -> None:
    with pytest.raises(BadQueryError, match=re.escape(told)):
        wanted_of(query, NAMES)


def test_a_list_and_its_url_are_the_same(site: Site) -> None:
    query = {"q": "海 & 'sea'", "genre": "drama", "confidence_to": "0.5", "page": "3", "sort": "cost"}
    wanted = wanted_of(query, NAMES)
    assert wanted_of(dict(parse_qsl(wanted.url().removeprefix("?"))), NAMES) == wanted
    assert Wanted().url() == ""
    without_page = {name: value for name, value in query.items() if name != "page"}
    assert dict(parse_qsl(wanted.url(page=1).removeprefix("?"))) == without_page


def test_a_filter_can_be_taken_away_alone(site: Site) -> None:
    page = site.get("/?q=sea&demographic=josei&magazine=Monthly+Tide&page=1").text
    assert 'href="/?q=sea&amp;magazine=Monthly+Tide"' in page
    assert 'href="/?q=sea&amp;demographic=josei"' in page


def test_words_ask_the_candidate_index_in_its_order(site: Site) -> None:
    page = site.get("/?q=a+shop&by=words")
    assert page.status == 200
    assert page.text.index(title_id(3)) < page.text.index(title_id(1))
    assert title_id(2) not in page.text
    assert "found by for a shop" in page.text


def test_without_a_candidate_index_words_are_refused(site: Site) -> None:
    with pytest.raises(BadQueryError, match="no candidate index"):
        search(site.state.connection.cursor(), Wanted(q="a shop", by="words"), NAMES, None)


def test_the_empty_fields_of_a_form_leave_the_address(site: Site) -> None:
    answer = site.get("/?q=sea&by=&genre=&sort=cost&page=")
    assert (answer.status, answer.headers["location"]) == (307, "/?q=sea&sort=cost")
