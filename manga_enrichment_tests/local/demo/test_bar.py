"""How far a demo is, in words and as a bar."""

import io
import re
from pathlib import Path
from threading import Event

import pytest
from rich.console import Console

from manga_enrichment.local.demo.bar import Lines, Narrator, shown
from manga_enrichment.local.demo.stages import Progress, ProgressFile, Stage


class Clock:
    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def test_the_share_grows_from_nothing_to_all_without_a_step_back() -> None:
    told = [Progress(stage, done, 4) for stage in Stage for done in range(5)]
    shares = [each.share for each in told]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0.0, pytest.approx(1.0))


def test_more_than_was_planned_is_not_more_than_all_of_it() -> None:
    assert Progress(Stage.ASK, 7, 4).share == Progress(Stage.ASK, 4, 4).share


def test_pace_and_time_left_are_those_of_the_last_seconds() -> None:
    clock = Clock()
    narrator = Narrator(clock)
    assert narrator.words(Progress(Stage.ASK, 0, 400)) == "asking: 0 of 400"
    for done in range(10, 101, 10):  # 10 a second, then 40
        clock.seconds += 1
        narrator.words(Progress(Stage.ASK, done, 400))
    assert narrator.words(Progress(Stage.ASK, 100, 400)) == "asking: 100 of 400, 10 a second, 30 s left"
    for done in range(140, 301, 40):
        clock.seconds += 1
        said = narrator.words(Progress(Stage.ASK, done, 400))
    assert said == "asking: 300 of 400, 40 a second, 2 s left"


def test_what_is_not_counted_is_a_word_alone() -> None:
    assert Narrator(Clock()).words(Progress(Stage.PLAN)) == "planning what to ask"
    assert Narrator(Clock()).words(Progress(Stage.WRITE, 2, 6)) == "writing tables: 2 of 6"


def test_piped_it_is_a_line_for_each_stage_and_one_every_ten_seconds() -> None:
    clock, said = Clock(), list[str]()
    lines = Lines(said.append, clock)
    lines.show(Progress(Stage.PLAN))
    for done in range(25):
        lines.show(Progress(Stage.ASK, done, 25))
        clock.seconds += 1
    lines.show(Progress(Stage.WRITE, 0, 6))
    assert [re.sub(r"^ *\d+%  |, .*", "", line) for line in said] == [
        "planning what to ask",
        "asking: 0 of 25",
        "asking: 10 of 25",
        "asking: 20 of 25",
        "writing tables: 0 of 6",
    ]


@pytest.mark.parametrize("columns", [80, 120])
@pytest.mark.parametrize("is_terminal", [True, False])
def test_what_the_working_program_tells_is_shown(tmp_path: Path, columns: int, is_terminal: bool) -> None:
    file, output = ProgressFile(tmp_path / "progress.json"), Output()
    console = Console(file=output, force_terminal=is_terminal, width=columns, legacy_windows=False)
    with shown(console, file):
        output.wait_for("starting the local stack")
        file.tell(Progress(Stage.ASK, 251, 579))
        output.wait_for("251 of 579")
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", output.getvalue())
    assert max(map(len, re.split(r"[\r\n]", text))) <= columns
    assert ("━" in text) == is_terminal
    assert not (tmp_path / "progress.json").exists()


class Output(io.StringIO):
    """Waits until words were written to it."""

    def __init__(self) -> None:
        super().__init__()
        self._written = Event()

    def write(self, text: str) -> int:
        count = super().write(text)
        self._written.set()
        return count

    def wait_for(self, words: str) -> None:
        while words not in self.getvalue():
            assert self._written.wait(60)
            self._written.clear()


def test_nothing_told_is_nothing_and_a_file_that_is_replaced_is_read_whole(tmp_path: Path) -> None:
    file = ProgressFile(tmp_path / "progress.json")
    assert file.read() is None
    for progress in (Progress(Stage.STACK), Progress(Stage.ASK, 1, 2), Progress(Stage.COSTS)):
        file.tell(progress)
        assert ProgressFile(tmp_path / "progress.json").read() == progress
    assert [each.name for each in tmp_path.iterdir()] == ["progress.json"]
