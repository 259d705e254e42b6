"""Files that ship with the package: within it where it was installed, beside it in a checkout.

Belongs here: where such a file lies. Stays out: reading it. What a wheel takes along stands in pyproject.toml.
"""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]


class NotShippedError(RuntimeError):
    """A file is neither in the package nor beside it: the installation is broken, or the file was deleted."""


def shipped(path: str) -> Path:
    """The file or folder of that path, from the root of the repository. Raises NotShippedError."""
    candidates = (PACKAGE / path, PACKAGE.parent / path)
    for found in candidates:
        if found.exists():
            return found
    raise NotShippedError(
        f"{path} is missing: neither {candidates[0]} nor {candidates[1]} is there. Install manga-enrichment anew."
    )
