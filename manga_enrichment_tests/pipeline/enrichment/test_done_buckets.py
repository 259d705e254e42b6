"""A bucket is done when every analysis has opened it and all its calls have an outcome."""

import asyncio
import threading

from manga_enrichment.pipeline.enrichment.asking.done_buckets import DoneBuckets

GENRE, LEVEL = "genre_classification", "reading_level"


async def settled() -> None:
    """What was called from another thread, or by the loop itself, has taken place."""
    for _ in range(3):
        await asyncio.sleep(0)


def test_a_bucket_is_done_with_the_last_outcome_of_all_analyses() -> None:
    async def scenario() -> None:
        done = DoneBuckets(["0", "1"], [GENRE, LEVEL])
        waiting = asyncio.create_task(done.next())
        done.opened(GENRE, "0", 2)
        done.opened(LEVEL, "0", 1)
        done.opened(LEVEL, "1", 1)
        await settled()
        for bucket in ("0", "1", "0"):
            done.told(bucket)
            await settled()
            assert not waiting.done()
        done.told("0")
        assert await waiting == "0"

    asyncio.run(scenario())


def test_a_bucket_that_nobody_asks_about_is_done_as_soon_as_all_have_opened_it() -> None:
    async def scenario() -> None:
        done = DoneBuckets(["0"], [GENRE, LEVEL])
        done.opened(GENRE, "0", 0)
        await settled()
        waiting = asyncio.create_task(done.next())
        await settled()
        assert not waiting.done()
        done.opened(LEVEL, "0", 0)
        assert await waiting == "0"

    asyncio.run(scenario())


def test_calls_may_be_opened_in_another_thread() -> None:
    async def scenario() -> None:
        done = DoneBuckets(["0"], [GENRE])
        reading = threading.Thread(target=done.opened, args=(GENRE, "0", 1))
        reading.start()
        reading.join()
        done.told("0")
        assert await done.next() == "0"

    asyncio.run(scenario())


def test_once_closed_nothing_is_handed_out_any_more() -> None:
    async def scenario() -> None:
        done = DoneBuckets(["0"], [GENRE])
        waiting = asyncio.create_task(done.next())
        await settled()
        done.close()
        assert await waiting is None
        done.opened(GENRE, "0", 0)
        await settled()
        assert done.is_closed
        assert await done.next() is None

    asyncio.run(scenario())
