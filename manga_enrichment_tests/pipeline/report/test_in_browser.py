"""The report in a real browser: on a telephone, in the dark, on paper."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from manga_enrichment.pipeline.report.facts import QueueHour
from manga_enrichment.pipeline.report.links import Links
from manga_enrichment.pipeline.report.page import report_html
from manga_enrichment_tests.builders import bare_record, record
from manga_enrichment_tests.chromium import Tab, a_tab
from manga_enrichment_tests.pipeline.report.test_catalog_facts import enriched, look
from manga_enrichment_tests.pipeline.report.test_problems import queue
from manga_enrichment_tests.pipeline.report.test_report import facts_of, run_over

pytestmark = pytest.mark.slow
PHONE = 390
OFF_SCREEN = f"""[...document.querySelectorAll('body *')]
  .filter(each => each.checkVisibility() && !each.closest('thead'))
  .filter(each => each.getBoundingClientRect().right > {PHONE} || each.getBoundingClientRect().left < 0)
  .map(each => each.tagName + '.' + each.className + ': ' + each.textContent.slice(0, 40))"""
TEXT_PIXELS = """[...document.querySelectorAll('figure svg text')].map(text => {
  const svg = text.closest('svg');
  const scale = svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
  return parseFloat(getComputedStyle(text).fontSize) * scale;
})"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Of a page that has every part: charts, tables, failures, queues, titles with long words."""
    world = run_over(record(1, title="A" * 80), record(2), record(3), record(4), bare_record(5))
    enriched(world)
    now = world.clock.now()
    hours = [QueueHour(now - timedelta(hours=back), back % 3, back, 60.0 * back) for back in range(50, 0, -1)]
    looks = [queue("requests", oldest_age_seconds=7200.0, visible=12_345), queue("dead_letters", visible=3)]
    history = {(now - timedelta(days=days)).date().isoformat(): {"titles": 3.0, "coverage": 0.5} for days in (1, 7)}
    facts = replace(facts_of(world), catalog=look(world), queue_hours=hours, queues_now=looks, history=history)
    page: Path = tmp_path_factory.mktemp("report") / "report.html"
    page.write_text(report_html(facts, Links("http://127.0.0.1:3000", "http://127.0.0.1:8400")), "utf-8")
    return page.as_uri()


async def opened(tab: Tab, address: str) -> None:
    await tab.open(address)
    await tab.value("document.querySelectorAll('details').forEach(each => each.open = true)")


async def test_on_a_telephone_nothing_is_off_the_screen_and_charts_can_be_read(address: str) -> None:
    async with a_tab() as tab:
        await tab.see_as(PHONE)
        await opened(tab, address)
        assert await tab.value("document.querySelectorAll('figure').length") >= 5
        assert await tab.value("document.documentElement.scrollWidth") <= PHONE
        assert await tab.value(OFF_SCREEN) == []
        sizes = await tab.value(TEXT_PIXELS)
        assert len(sizes) > 20
        assert min(sizes) >= 11


async def test_in_the_dark_and_on_paper_it_has_the_ground_of_each(address: str) -> None:
    async with a_tab() as tab:
        grounds = {}
        for is_dark in (False, True):
            await tab.see_as(1200, is_dark=is_dark)
            await opened(tab, address)
            grounds[is_dark] = await tab.value("getComputedStyle(document.body).backgroundColor")
        assert grounds == {False: "rgb(245, 246, 248)", True: "rgb(16, 20, 27)"}
        dark = [{"name": "prefers-color-scheme", "value": "dark"}]
        await tab.tell("Emulation.setEmulatedMedia", media="print", features=dark)
        assert await tab.value("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert await tab.value("getComputedStyle(document.querySelector('h1')).color") == "rgb(22, 27, 38)"
        assert await tab.value("getComputedStyle(document.querySelector('nav')).display") == "none"
