"""What a process that stays does about garbage in cycles. In processes of their own: it holds for a whole process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from manga_enrichment.runtime import long_lived
from manga_enrichment.runtime.garbage import FEW_HEAPS

pytestmark = pytest.mark.slow

_GARBAGE_BESIDE_WHAT_STAYS = """
import gc, sys
from manga_enrichment.runtime.garbage import set_aside

class Node:
    alive = 0
    def __init__(self):
        self.me = self
        Node.alive += 1
    def __del__(self):
        Node.alive -= 1

stays = [[number] for number in range(500_000)]
gc.collect()
if "aside" in sys.argv:
    set_aside()
for _ in range(20):
    in_use = [Node() for _ in range(3_000)]
    gc.collect(1)  # it has outlived both young generations when it is done with
    del in_use
print(Node.alive)
"""


def _said(*words: str, **settings: str) -> str:
    """settings: environment variables beside those of this process."""
    environment = {**os.environ, **settings}
    done = subprocess.run(
        [sys.executable, *words], env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout.strip()


def test_tables_of_a_run_lie_where_the_rest_of_its_memory_does() -> None:
    asked = "import pyarrow; print(pyarrow.default_memory_pool().backend_name)"
    assert _said("-c", asked, **FEW_HEAPS) == "system"


def test_garbage_goes_soon_however_much_stays() -> None:
    """Of 60,000 pieces; without, all of them are there."""
    assert int(_said("-c", _GARBAGE_BESIDE_WHAT_STAYS, "aside")) <= 33_000


def test_a_server_is_its_module_with_its_arguments(tmp_path: Path) -> None:
    document = tmp_path / "document.json"
    document.write_text('{"a": [1]}', encoding="utf-8")
    assert _said("-m", long_lived.__name__, "json.tool", "--compact", str(document)) == '{"a":[1]}'


def test_a_server_sets_aside_what_it_has_loaded_once_it_has_settled(tmp_path: Path) -> None:
    (tmp_path / "waits.py").write_text(
        "import gc, time\nend = time.monotonic() + 30\n"
        "while not gc.get_freeze_count() and time.monotonic() < end: time.sleep(0.01)\n"
        "print(gc.get_freeze_count() > 0)\n",
        encoding="utf-8",
    )
    begin = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from {long_lived.__name__} import main; "
    assert _said("-c", begin + "main(['waits'], settled_seconds=0)") == "True"


_LOADED = """
import gc
from manga_enrichment.runtime.garbage import loading

before = gc.get_freeze_count()
try:
    with loading():
        assert not gc.isenabled()
        kept = [[number] for number in range(10_000)]
        raise ImportError
except ImportError:
    print(gc.isenabled(), gc.get_freeze_count() - before >= 10_000)
"""


def test_what_is_loaded_is_looked_through_neither_meanwhile_nor_later() -> None:
    assert _said("-c", _LOADED) == "True True"
