"""What runs between `start` and `stop`, or inside `with`.

Belongs here: the shape that the stack, the fleet and the receiver of callbacks share. Stays out: processes
(`processes.py`).
"""

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self


class Running(ABC):
    @abstractmethod
    def start(self) -> None: ...

    @abstractmethod
    def stop(self) -> None: ...

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
