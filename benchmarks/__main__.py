"""`make bench`: those of a few minutes, one after the other; `python -m benchmarks NAME ... [options of those]`."""

import runpy
import sys

NAMES = (
    "engine",
    "quota",
    "shares",
    "memory",
    "retrieval",
    "prompts",
    "imports",
    "drain",
    "browse",
    "fleet",
    "idle",
    "partners",
    "night",
    "scale",
)
QUICK = NAMES[: NAMES.index("browse")]


def main(arguments: list[str]) -> None:
    """Run them by name; the quick ones by default. What begins with a dash, and all after it, is theirs."""
    first = next((place for place, each in enumerate(arguments) if each.startswith("-")), len(arguments))
    names, options = arguments[:first], arguments[first:]
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        raise SystemExit(f"unknown benchmark {', '.join(unknown)}: there are {', '.join(NAMES)}")
    for name in names or QUICK:
        sys.argv = [name, *options]
        runpy.run_module(f"benchmarks.{name}", run_name="__main__")


if __name__ == "__main__":
    main(sys.argv[1:])
