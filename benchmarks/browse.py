"""Pages over a million titles: the first page, filters, a title, SQL, and the memory of the server.

    python -m benchmarks.browse --titles 1000000 --tables /tmp/million

The server is the command itself, over a folder. Times are those of whole answers, over loopback, one at a time; the
tables (`browse_tables.py`) are written once and kept where `--tables` says.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from benchmarks.browse_tables import write_tables
from benchmarks.report import Row, show
from manga_enrichment.domain.percentiles import nearest_rank

FILTERS = (
    "genre=horror",
    "level=teen&sort=cost",
    "demographic=josei&genre=romance",
    "magazine=Monthly+winter",
    "language=none&level=kids",
    "confidence_to=0.45&sort=least+certain",
    "cost_from=0.003&sort=cost",
    "outcome=failed",
    "outcome=failed&analysis=reading_level&genre=drama",
    "sort=latest+answer&level=adult",
    "genre=comedy&page=200",
)
SEARCHES = (
    "q=lantern",
    "q=winter+storm",
    "q=MNG-00500000",
    f"q={quote('あさひ')}",
    "q=asahi",
    "q=ghost+12&genre=horror",
)
TITLES = tuple(f"/titles/MNG-{number:08d}" for number in (7, 123, 456, 789))
SQL = ("/sql?q=SELECT+primary_genre,count(*)+FROM+enriched_catalog+GROUP+BY+1",)
PAGES = {
    "first page again": ("/",),
    "a filter": [f"/?{each}" for each in FILTERS],
    "a search": [f"/?{each}" for each in SEARCHES],
    "a title": TITLES,
    "a question in SQL": SQL,
}
TIMES = 5


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--titles", type=int, default=1_000_000)
    parser.add_argument("--buckets", type=int, default=64)
    parser.add_argument("--tables", type=Path, help="where the tables are, or are written to; kept")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as scratch:
        tables = options.tables or Path(scratch) / "tables"
        if not tables.exists():
            write_tables(tables, options.titles, options.buckets)
        show(f"browse, {options.titles:,} titles", _measured(tables, Path(scratch) / "copy"))


def _measured(tables: Path, copy: Path) -> list[Row]:
    program = Path(sys.executable).with_name("manga-enrichment")
    command = [str(program), "browse", "--folder", str(tables), "--copy-dir", str(copy)]
    began = time.perf_counter()
    server = subprocess.Popen([*command, "--port", "0"], stdout=subprocess.PIPE, text=True)
    try:
        address = _address(server)
        while _seconds(f"{address}/health") is None:
            time.sleep(0.2)
        ready = time.perf_counter() - began
        building = _memory(server.pid)
        rows = [
            _row("copied and listed", [ready], building),
            _row("first page", [_needed(f"{address}/")], building),
        ]
        for what, paths in PAGES.items():
            rows.append(_row(what, _all(address, paths), _memory(server.pid)))
    finally:
        server.terminate()
        server.wait()
    return rows


def _address(server: "subprocess.Popen[str]") -> str:
    for line in server.stdout or ():
        if found := re.search(r"http://\S+", line):
            return found[0]
    raise SystemExit("the server ended before it listened")


def _all(address: str, paths: Sequence[str]) -> list[float]:
    return [_needed(f"{address}{path}") for _time in range(TIMES) for path in paths]


def _needed(url: str) -> float:
    seconds = _seconds(url)
    if seconds is None:
        raise SystemExit(f"{url} was not answered")
    return seconds


def _seconds(url: str) -> float | None:
    """None for an answer that says that it is none."""
    began = time.perf_counter()
    try:
        with urllib.request.urlopen(url, timeout=120) as answer:  # noqa: S310 (loopback)
            answer.read()
    except urllib.error.HTTPError:
        return None
    return time.perf_counter() - began


def _row(what: str, seconds: Sequence[float], memory_mb: int) -> Row:
    """memory_mb: the most until then."""
    ms = Counter(round(each * 1000) for each in seconds)
    ranks: Row = {f"p{percent}_ms": nearest_rank(ms, percent) for percent in (50, 95, 100)}
    return {"what": what, "answers": len(seconds), **ranks, "memory_mb": memory_mb}


def _memory(process: int) -> int:
    """The most it had at any time, mapped files included, in MB."""
    told = Path(f"/proc/{process}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", told)
    return int(found[1]) * 1024 // 1_000_000 if found else 0


if __name__ == "__main__":
    main()
