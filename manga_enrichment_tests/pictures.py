"""Pictures of the pages for docs/, by a real browser: `make pictures`, while `make dev` and `browse` run after a demo.

Belongs here: which pages, how large. Stays out: the browser (`chromium.py`), whether pages are right (the tests).
"""

import asyncio
import base64
from pathlib import Path

import click

from manga_enrichment_tests.chromium import Tab, a_tab

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "images"
SETTLED_SECONDS = 6.0
"""Dagster's pages go on drawing after they are loaded, and tell nobody when they have done."""


async def take(tab: Tab, url: str, name: str, *, width: int = 1280, height: int = 800, is_dark: bool = False) -> None:
    await tab.see_as(width, height, is_dark=is_dark)
    await tab.open(url)
    await asyncio.sleep(SETTLED_SECONDS)
    shot = await tab.tell("Page.captureScreenshot", format="png")
    (FOLDER / f"{name}.png").write_bytes(base64.b64decode(shot["data"]))
    click.echo(f"docs/images/{name}.png: {url}")


async def take_all(ui: str, browse: str, report: str | None) -> None:
    async with a_tab() as tab:
        await take(tab, f"{ui}/overview/timeline", "ui_timeline", height=500)
        await take(tab, f"{browse}/", "browse")
        await take(tab, f"{browse}/", "browse_phone_dark", width=390, height=800, is_dark=True)
        if report is not None:
            await take(tab, report, "report", height=1000)


@click.command()
@click.option("--ui", default="http://127.0.0.1:3000", show_default=True, help="Where `make dev` serves Dagster.")
@click.option("--browse", default="http://127.0.0.1:3001", show_default=True, help="Where browse serves.")
@click.option("--report", type=click.Path(path_type=Path, exists=True), help="A report; without it its picture stays.")
def main(ui: str, browse: str, report: Path | None) -> None:
    asyncio.run(take_all(ui, browse, report.resolve().as_uri() if report else None))


if __name__ == "__main__":
    main()
