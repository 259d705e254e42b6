"""How far a demo is, on a terminal as one bar from its first second to its last; piped, as a line now and then.

Belongs here: words, pace, time left. Stays out: how far it is (`stages.py`).
"""

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

from rich.console import Console
from rich.progress import BarColumn, ProgressColumn, Task, TaskProgressColumn, TextColumn
from rich.progress import Progress as RichProgress
from rich.text import Text

from manga_enrichment.domain.durations import duration_text
from manga_enrichment.local.demo.stages import Progress, ProgressFile, Stage

_POLL_SECONDS = 0.2
_LINE_SECONDS = 10.0
_PACE_SECONDS = 5.0
_INSTALLATION = 0.42
"""Its share of a first `make demo`, as in `.ci/install`."""


class Narrator:
    """What is said of progress. now: seconds of a clock that does not jump."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._looks: deque[tuple[float, int]] = deque()

    def words(self, progress: Progress) -> str:
        """For example `asking: 251 of 579, 32 a second, 10 s left`."""
        if not progress.of:
            self._looks.clear()
            return progress.stage.value
        counted = f"{progress.stage.value}: {progress.done} of {progress.of}"
        return counted + (self._pace(progress) if progress.stage is Stage.ASK else "")

    def _pace(self, progress: Progress) -> str:
        now = self._now()
        self._looks.append((now, progress.done))
        while len(self._looks) > 2 and now - self._looks[1][0] >= _PACE_SECONDS:
            self._looks.popleft()
        (then, before), left = self._looks[0], progress.of - progress.done
        if now - then < 1 or progress.done == before:
            return ""
        per_second = (progress.done - before) / (now - then)
        return f", {per_second:.0f} a second" + (f", {duration_text(left / per_second)} left" if left else "")


class Lines:
    """Where nobody watches: a line for each stage, and one every ten seconds within it."""

    def __init__(self, say: Callable[[str], None], now: Callable[[], float]) -> None:
        self._say, self._now = say, now
        self._narrator = Narrator(now)
        self._stage: Stage | None = None
        self._said_at = 0.0

    def show(self, progress: Progress) -> None:
        words = self._narrator.words(progress)
        if progress.stage is self._stage and self._now() - self._said_at < _LINE_SECONDS:
            return
        self._stage, self._said_at = progress.stage, self._now()
        self._say(f"{progress.share:4.0%}  {words}")


@contextmanager
def shown(console: Console, file: ProgressFile, installed_seconds: float = 0.0) -> Iterator[None]:
    """Within the block, what the file says is shown. The bar leaves nothing behind.

    installed_seconds: what `make demo` took for the installation, whose bar this one goes on with (`.ci/install`).
    """
    file.tell(Progress(Stage.STACK))
    if not console.is_terminal:
        lines = Lines(lambda line: console.print(line, soft_wrap=True), time.monotonic)
        with _polled(file, lines.show):
            yield
        return
    # The words come last: they alone change their length, and where there is no room, they alone are cut.
    columns = (BarColumn(bar_width=24), TaskProgressColumn(), _Elapsed(), TextColumn("{task.description}"))
    narrator, begun = Narrator(time.monotonic), _INSTALLATION if installed_seconds else 0.0
    with RichProgress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(Stage.STACK.value, total=1.0, before=installed_seconds)

        bar.update(task, completed=begun)

        def show(progress: Progress) -> None:
            share = begun + (1 - begun) * progress.share
            bar.update(task, completed=share, description=narrator.words(progress))

        with _polled(file, show):
            yield


class _Elapsed(ProgressColumn):
    """Since `make demo`: also what the installation took."""

    def render(self, task: Task) -> Text:
        seconds = int((task.elapsed or 0) + task.fields["before"])
        return Text(f"0:{seconds // 60:02}:{seconds % 60:02}", style="progress.elapsed")


@contextmanager
def _polled(file: ProgressFile, show: Callable[[Progress], None]) -> Iterator[None]:
    over = Event()

    def watch() -> None:
        while not over.is_set():
            progress = file.read()
            if progress is not None:
                show(progress)
            over.wait(_POLL_SECONDS)

    watcher = Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()
        file.clear()
