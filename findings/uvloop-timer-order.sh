#!/usr/bin/env bash
# One would guess: of two timers set in the same moment the one with the shorter delay runs first, and no timer early.
# True: uvloop rounds every delay to whole milliseconds, up or down. Delays that round to the same number run in the
#   order in which they were *set*, and 50.4 ms are over after 50; below half a millisecond there is no wait at all.
#   loop.time() knows whole milliseconds only. asyncio's own loop orders by the delay that was given.
# Why it matters here: calls are paced by sleeps of 1/rate seconds. Above 1,000 a second the gaps between sends are
#   below what uvloop can tell apart, and a test that waits for "60 ms" may see 59.
# Seen with uvloop 0.23.0 on Python 3.11:
#   asyncio: 0.1, 0.4, 49.6, 50.4    uvloop: 0.4, 0.1, 50.4, 49.6
set -euo pipefail
unset PYTHONPATH
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check uvloop==0.23.0

"$folder/venv/bin/python" - <<'EOF'
import asyncio
import platform

import uvloop


async def order():
    """Delays in milliseconds in the order in which their timers ran; set longest first."""
    loop = asyncio.get_running_loop()
    ran, last = [], loop.create_future()
    for milliseconds in (50.4, 49.6, 0.4, 0.1):
        loop.call_later(milliseconds / 1000, ran.append, milliseconds)
    loop.call_later(0.2, last.set_result, None)
    await last
    return ran


async def fractions():
    """What loop.time() has beyond whole milliseconds, in milliseconds, at 20 moments."""
    loop = asyncio.get_running_loop()
    found = []
    for _ in range(20):
        now = loop.time() * 1000
        found.append(round(abs(now - round(now)), 4))
        await asyncio.sleep(0.0013)
    return found


print(f"uvloop {uvloop.__version__}, Python {platform.python_version()}")
with asyncio.Runner() as own, asyncio.Runner(loop_factory=uvloop.new_event_loop) as theirs:
    by_asyncio, by_uvloop = own.run(order()), theirs.run(order())
    print("asyncio:", by_asyncio, "uvloop:", by_uvloop)
    assert by_asyncio == [0.1, 0.4, 49.6, 50.4], by_asyncio
    assert by_uvloop == [0.4, 0.1, 50.4, 49.6], by_uvloop
    assert any(own.run(fractions()))
    assert not any(theirs.run(fractions()))
EOF
