"""Pages: what a title's page tells, what no page lets through, and what headers every answer has."""

import html
import re
import shlex
from html.parser import HTMLParser
from pathlib import Path

import pytest

from manga_enrichment.browse.links import JOB
from manga_enrichment.cli.titles.ask_again import ask_again
from manga_enrichment.defs.enrichment.jobs import NIGHTLY_JOB
from manga_enrichment_tests.browse_world import DAGSTER, HOSTILE, JAPANESE, NAMES, Site
from manga_enrichment_tests.builders import BUCKET, title_id

TITLE = f"/titles/{title_id(4)}"
URLS = ["/", "/?q=%3Cscript%3E", TITLE, "/titles/nothing", "/sql", "/?page=nope", "/sql/result.doc?q=x"]


class _Tags(HTMLParser):
    """Names of elements, and of their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]


@pytest.mark.parametrize("url", URLS)
def test_no_page_has_a_script_or_lets_a_text_become_markup(site: Site, url: str) -> None:
    page = site.get(url)
    seen = _Tags(page.text)
    assert "main" in seen.tags
    assert not {"script", "img", "iframe", "object"} & set(seen.tags)
    assert not [name for name, value in seen.attributes if name.startswith("on") or value.startswith("javascript:")]


@pytest.mark.parametrize("url", [*URLS, "/health", "/nowhere"])
def test_every_answer_forbids_scripts_frames_and_keeping(site: Site, url: str) -> None:
    headers = site.get(url).headers
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "script-src" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"


def test_hostile_texts_are_shown_as_they_are(site: Site) -> None:
    page = site.get(f"/titles/{title_id(4)}").text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert HOSTILE not in page


def test_other_hosts_and_methods_are_refused(site: Site) -> None:
    assert site.get("/", host="evil.example").status == 400
    assert site.get("/", method="POST").status == 405


def test_a_title_has_its_text_names_and_facts(site: Site) -> None:
    page = site.get(f"/titles/{title_id(1)}").text
    texts = (
        "The Bookshop by the Sea 1",
        JAPANESE,
        "かたつむりのごご",
        "Naoko Étranger (story)",
        "Two friends take",
        "Monthly Tide",
    )
    assert [text for text in texts if text not in page] == []


def test_an_answer_says_model_prompt_cost_and_run(site: Site) -> None:
    page = site.get(f"/titles/{title_id(1)}").text
    for name in NAMES:
        assert f'id="a-{name}"' in page
    assert f'href="{DAGSTER}/runs/run-1"' in page
    assert re.search(
        r"prompt [\w-]+, by full enrichment · 20\d\d-\d\d-\d\d \d\d:\d\d UTC · \$0\.\d+ for all that", page
    )
    assert "attempt 1 of 1, stands" in page


def test_a_title_without_answers_says_why(site: Site) -> None:
    assert "Not answered because: failed: refusal" in site.get(f"/titles/{title_id(2)}").text
    assert "Not answered because: insufficient input" in site.get(f"/titles/{title_id(5)}").text
    assert "Not answered because" not in site.get(f"/titles/{title_id(1)}").text


def test_attempts_that_brought_nothing_are_in_the_history(site: Site) -> None:
    page = site.get(f"/titles/{title_id(3)}").text
    assert "retried, attempt 1 of 2: throttled" in page
    assert "succeeded, attempt 2 of 2, stands" in page


def test_similar_titles_are_links_both_ways(site: Site) -> None:
    names = re.findall(r'<li>\s*<a href="/titles/(MNG-\d+)">', site.get(f"/titles/{title_id(1)}").text)
    assert names
    other = site.get(f"/titles/{names[0]}").text
    assert f'href="/titles/{title_id(1)}"' in other[other.index('id="named-by"') :]


def test_a_button_leads_to_the_launchpad_of_the_titles_bucket(site: Site) -> None:
    page = site.get(f"/titles/{title_id(1)}").text
    for name in NAMES:
        chosen = f"tags%5B0%5D%5Bvalue%5D={BUCKET}&amp;assetSelection%5B0%5D%5BassetKey%5D%5Bpath%5D%5B0%5D={name}"
        assert chosen in page
    assert JOB == NIGHTLY_JOB


def test_each_analysis_has_the_command_that_asks_it_again(site: Site) -> None:
    shown = [
        html.unescape(each)
        for each in re.findall(
            r"<code>(manga-enrichment ask-again .*?)</code>", site.get(f"/titles/{title_id(1)}").text
        )
    ]
    assert shown == [
        f'manga-enrichment ask-again --analysis {name} --titles {title_id(1)} --because "why"' for name in NAMES
    ]
    for line in shown:
        ask_again.make_context("ask-again", shlex.split(line)[2:])


def test_an_unknown_title_is_a_page_of_its_own(site: Site) -> None:
    page = site.get("/titles/MNG-NOTHING")
    assert page.status == 404
    assert "There is no title MNG-NOTHING" in page.text


def test_before_the_tables_are_read_a_page_says_so_and_comes_back(tables_folder: Path, tmp_path: Path) -> None:
    fresh = Site(tables_folder, tmp_path)
    page = fresh.get("/")
    assert (page.status, page.headers["refresh"]) == (503, "2")
    assert fresh.get("/health").status == 503
    fresh.browse.fault = "The S3 bucket is <away>"
    assert "The S3 bucket is &lt;away&gt;" in fresh.get("/sql").text
    fresh.shelf.refresh()
    assert fresh.get("/").status == 200
    assert fresh.get("/health").text == "ready"


def test_a_new_installation_has_pages_that_say_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    fresh = Site(tmp_path / "empty", tmp_path / "home")
    fresh.shelf.refresh()
    assert "run the job nightly_enrichment" in fresh.get("/").text
    assert fresh.get(f"/titles/{title_id(1)}").status == 404


def test_a_question_that_takes_too_much_is_a_sentence(tables_folder: Path, tmp_path: Path) -> None:
    small = Site(tables_folder, tmp_path)
    small.shelf.refresh()
    small.state.connection.execute("SET memory_limit = '1KB'")
    page = small.get("/?q=sea")
    assert page.status == 503
    assert "could not be worked out now: Out of Memory" in page.text
    small.state.connection.execute("SET memory_limit = '100MB'")
    assert small.get("/?q=sea").status == 200  # its turn was given back


def test_every_colour_of_a_page_is_one_that_there_is(site: Site) -> None:
    """A name that is none leaves a text without its colour, and nobody is told."""
    page = site.get(f"/titles/{title_id(2)}").text
    used, there = (set(re.findall(pattern, page)) for pattern in (r"var\((--[\w-]+)\)", r"(--[\w-]+):"))
    assert "--wait-ground" in used
    assert used - there == {"--part"}  # of bars, each of which has its own
