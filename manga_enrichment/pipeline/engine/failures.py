"""Raising one of several failures without losing the others."""

from collections.abc import Sequence


def raise_first(failures: Sequence[BaseException]) -> None:
    """Raise the first, with its own cause and the others as its cause; nothing where there are none."""
    if not failures:
        return
    first, *others = failures
    causes = [*([first.__cause__] if isinstance(first.__cause__, Exception) else []), *others]
    if others:
        raise first from BaseExceptionGroup("and besides", causes)
    raise first
