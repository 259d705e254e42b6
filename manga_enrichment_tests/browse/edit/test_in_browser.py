"""Answers are corrected in a real browser by keyboard alone, and on a telephone in the dark."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from manga_enrichment.pipeline.labels.store import read_labels
from manga_enrichment_tests.browse_world import Site
from manga_enrichment_tests.builders import title_id
from manga_enrichment_tests.chromium import a_tab, served
from manga_enrichment_tests.fakes import MemoryTables

pytestmark = pytest.mark.slow
TITLE = f"/titles/{title_id(1)}"
FIELD = "document.querySelector('#w-reading_level-min_age')"


@pytest.fixture
def writable(tables: MemoryTables) -> MemoryTables:
    copy = MemoryTables()
    copy.objects.update(tables.objects)
    return copy


@pytest.fixture
def address(writable: MemoryTables, tables_folder: Path, site: Site) -> Iterator[str]:
    editable = Site(tables_folder, site.shelf.home, identify=lambda _headers: "Naoko", tables=writable)
    editable.shelf.refresh()
    with served(editable.app) as told:
        yield told


async def test_an_answer_is_corrected_and_taken_back_by_keyboard_alone(address: str, writable: MemoryTables) -> None:
    async with a_tab() as tab:
        await tab.see_as(1000)
        await tab.open(f"{address}{TITLE}")
        await tab.tab_to("it.ariaLabel === 'This is wrong: min age'")
        assert await tab.value("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        await tab.press("Space")
        await tab.tab_to("it.name === 'value'")
        await tab.type_over("sixteen")
        await tab.tab_to("it.name === 'because'")
        await tab.type("The cover says 16+.")
        await tab.press("Enter")

        assert "It is a whole number" in await tab.value("document.querySelector('[role=alert]').innerText")
        assert await tab.value(f"document.activeElement === {FIELD} && {FIELD}.value") == "sixteen"
        assert await tab.value(f"{FIELD}.form.because.value") == "The cover says 16+."
        await tab.type_over("16")
        await tab.press("Enter")

        assert "Min age is corrected: 16." in await tab.value("document.querySelector('#done').innerText")
        await tab.tab_to("it.innerText === 'Take back: min age'")
        await tab.press("Space")
        await tab.tab_to("it.name === 'because'")
        await tab.type("It was another edition.")
        await tab.press("Enter")
        assert "taken back" in await tab.value("document.querySelector('#done').innerText")
    said = [(each.by, each.value, each.replaced) for each in read_labels(writable, "reading_level")]
    assert said == [("Naoko", 16, 12), ("Naoko", None, 16)]


async def test_pages_of_editors_fit_a_telephone_in_light_and_dark(address: str) -> None:
    async with a_tab() as tab:
        for is_dark in (False, True):
            await tab.see_as(390, is_dark=is_dark)
            for page in (TITLE, f"/titles/{title_id(4)}", "/corrections"):
                await tab.open(f"{address}{page}")
                await tab.value("document.querySelectorAll('details').forEach(each => each.open = true)")
                assert await tab.value("document.querySelector('main').innerText.length > 100"), page
                assert await tab.value("document.documentElement.scrollWidth") <= 390, page


async def test_a_form_of_another_site_changes_nothing(address: str, writable: MemoryTables) -> None:
    """The browser itself says where it comes from; even with a sign that was stolen."""
    async with a_tab() as tab:
        await tab.open(f"{address}{TITLE}")
        sign = await tab.value("document.querySelector('input[name=sign]').value")
        form = f"<form method=post action='{address}{TITLE}/correct'><input name=sign value='{sign}'>"
        form += "<input name=analysis value=reading_level><input name=field value=min_age><input name=value value=16>"
        await tab.open(f"data:text/html,{form}<input name=because value=x><button autofocus>Win</button></form>")
        await tab.tab_to("it.tagName === 'BUTTON'")
        await tab.press("Enter")
        assert "Nothing was changed" in await tab.value("document.body.innerText")
    assert read_labels(writable, "reading_level") == []
