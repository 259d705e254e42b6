"""`make bench`: all of them, one after the other; `python -m benchmarks engine quota` for some."""

import runpy
import sys

NAMES = ("engine", "quota", "memory", "retrieval", "drain")


def main(names: list[str]) -> None:
    """Run them by name; all by default."""
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        raise SystemExit(f"unknown benchmark {', '.join(unknown)}: there are {', '.join(NAMES)}")
    for name in names or NAMES:
        sys.argv = [name]
        runpy.run_module(f"benchmarks.{name}", run_name="__main__")


if __name__ == "__main__":
    main(sys.argv[1:])
