"""Random choices that are the same for a seed on every Python version."""

import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Dice:
    """Only `Random.random` is used: of all methods it alone is promised to give the same numbers forever."""

    def __init__(self, seed: int) -> None:
        self._next = random.Random(seed).random

    def pick(self, options: Sequence[T]) -> T:
        return options[int(self._next() * len(options))]

    def chance(self, probability: float) -> bool:
        return self._next() < probability

    def between(self, lowest: int, highest: int) -> int:
        """A whole number, both ends included."""
        return lowest + int(self._next() * (highest - lowest + 1))

    def sample(self, options: Sequence[T], count: int) -> list[T]:
        """Up to `count` different options."""
        left = list(options)
        return [left.pop(int(self._next() * len(left))) for _ in range(min(count, len(left)))]
