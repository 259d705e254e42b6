"""Pages in a real browser: by keyboard alone, on a telephone, in the dark, and with a title that would be a script."""

from collections.abc import Iterator

import pytest

from manga_enrichment_tests.browse_world import Site
from manga_enrichment_tests.builders import record, title_id
from manga_enrichment_tests.chromium import a_tab, served

pytestmark = pytest.mark.slow
SQL = "/sql?q=SELECT+title,synopsis,*+FROM+catalog"
PAGES = ("/?q=sea", f"/titles/{title_id(1)}", f"/titles/{title_id(4)}", SQL)


@pytest.fixture(scope="module")
def address(site: Site) -> Iterator[str]:
    with served(site.app) as told:
        yield told


async def test_a_title_is_found_and_opened_by_keyboard_alone(address: str) -> None:
    async with a_tab() as tab:
        await tab.see_as(1000)
        await tab.open(address)
        await tab.press("Tab")
        assert await tab.value("document.activeElement.className") == "skip"  # and can be skipped to the content
        await tab.tab_to("it.name === 'q'")
        assert await tab.value("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        await tab.type("katatsumuri")
        await tab.press("Enter")
        assert await tab.value("location.search") == "?q=katatsumuri"
        await tab.tab_to("it.pathname && it.pathname.startsWith('/titles/')")
        await tab.press("Enter")
        assert await tab.value("location.pathname") == f"/titles/{title_id(1)}"
        assert record(1).title in await tab.value("document.querySelector('h1').innerText")


async def test_pages_fit_a_telephone_in_light_and_dark(address: str) -> None:
    async with a_tab() as tab:
        for is_dark in (False, True):
            await tab.see_as(390, is_dark=is_dark)
            for page in PAGES:
                await tab.open(f"{address}{page}")
                assert await tab.value("document.querySelector('main').innerText.length > 100"), page
                assert await tab.value("document.documentElement.scrollWidth") <= 390, page
                light = "getComputedStyle(document.body).backgroundColor.match(/[0-9]+/g).map(Number)[0] > 127"
                assert await tab.value(light) is not is_dark, page


async def test_a_hostile_title_is_text(address: str) -> None:
    async with a_tab() as tab:
        await tab.open(f"{address}/titles/{title_id(4)}")
        assert await tab.value("document.querySelector('h1').innerText.includes('<script>alert(1)</script>')")
        assert await tab.value("document.querySelectorAll('main script, main img').length") == 0
        assert "Page.javascriptDialogOpening" not in [each["method"] for each in tab.events]
        # Were there markup after all, the page's policy would not run it.
        await tab.value("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.ran = 1\">')")
        script = "Object.assign(document.createElement('script'), {text: 'window.ran = 2'})"
        await tab.value(f"document.head.appendChild({script})")
        assert await tab.value("window.ran === undefined")
