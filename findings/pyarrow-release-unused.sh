#!/usr/bin/env bash
# One would guess: a memory pool's `release_unused` gives back what that pool keeps of memory that was freed; two pools
#   are two objects, each with figures of its own.
# True: whichever pool it is called on, it acts on the process' default pool. With the default of most builds, mimalloc,
#   `system_memory_pool().release_unused()` gives back nothing of glibc's heap; once the system pool is the default, the
#   same call does.
# Why it matters here: a process that stays reads large tables now and then. A line that says "give it back" and does
#   not is found months later, in a graph of memory. The package calls it on the default pool, and deployments make that
#   the system's (ARROW_DEFAULT_MEMORY_POOL).
# Seen with pyarrow 26.0.1 on glibc:
#   held 236 MB; freed, all but the last: 236 MB; after release_unused of the system pool: 236 MB; the same call with
#   that pool as default: 5 MB
set -euo pipefail
unset PYTHONPATH ARROW_DEFAULT_MEMORY_POOL MALLOC_TRIM_THRESHOLD_ GLIBC_TUNABLES
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check pyarrow==26.0.1

"$folder/venv/bin/python" - <<'EOF'
import ctypes
from pathlib import Path

import pyarrow as pa

SIZE, COUNT = 60_000, 4_000  # each too small for a mapping of its own, so that they lie on the heap


def resident_mb():
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) // 1000


pool = pa.system_memory_pool()
print(f"pyarrow {pa.__version__}, default pool {pa.default_memory_pool().backend_name}")
assert pa.default_memory_pool().backend_name != pool.backend_name == "system"
start = resident_mb()
buffers = [pa.allocate_buffer(SIZE, memory_pool=pool) for _ in range(COUNT)]
for buffer in buffers:
    ctypes.memset(buffer.address, 1, SIZE)
last, held = buffers[-1], resident_mb() - start
del buffers, buffer
freed = resident_mb() - start
pool.release_unused()
released = resident_mb() - start
pa.set_memory_pool(pool)
pool.release_unused()
as_default = resident_mb() - start
print(f"held {held} MB; freed, all but the last: {freed} MB; after release_unused of the system pool: {released} MB;")
print(f"the same call with that pool as default: {as_default} MB")
assert held > 200
assert freed > 200
assert released > 200
assert as_default < 50
EOF
