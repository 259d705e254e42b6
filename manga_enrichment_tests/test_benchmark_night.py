"""What `benchmarks night` makes of a run's times, without a site."""

import json
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.night.__main__ import change
from benchmarks.night.stages import by_stage, model_alone_s, ratios, stage_of, stage_rows, step_rows, steps_of
from benchmarks.night.watch import Held, Look, held_between, peak_since_asked, taken
from manga_enrichment.local.sample_catalog import write_catalog

LOOKS: list[Look] = [
    (100.0, Counter()),
    (110.0, Counter({"runs": 2.0})),
    (120.0, Counter({"runs": 6.0, "emulator": 5.0})),
]
HELD: list[Held] = [(105.0, 120_000_000), (108.0, 300_000_000), (112.0, 420_400_000), (116.0, 410_000_000)]
RUN = {
    "creationTime": 100.0,
    "startTime": 104.0,
    "endTime": 121.0,
    "stepStats": [
        {"stepKey": "enrichment.plan", "startTime": 110.0, "endTime": 115.0},
        {"stepKey": "similar_candidates", "startTime": 106.0, "endTime": 110.0},
        {"stepKey": "enrichment.write_reading_level", "startTime": 115.0, "endTime": 119.0},
        {"stepKey": "reading_level_rows_are_valid", "startTime": 119.0, "endTime": 119.5},
        {"stepKey": "reading_level_titles_are_covered", "startTime": 119.5, "endTime": 120.0},
        {"stepKey": "never_began", "startTime": None, "endTime": None},
    ],
}


def test_cpu_between_two_looks_is_spent_evenly() -> None:
    assert taken(LOOKS, 100.0, 120.0) == Counter({"runs": 6.0, "emulator": 5.0})
    assert taken(LOOKS, 105.0, 115.0) == Counter({"runs": 3.0, "emulator": 2.5})
    assert taken(LOOKS, 90.0, 100.0)["runs"] == 0.0
    assert taken(LOOKS, 115.0, 130.0)["runs"] == 2.0


@pytest.mark.parametrize(
    ("step", "stage"),
    [
        ("manga_catalog", "import"),
        ("enrichment.plan", "plan"),
        ("enrichment.invoke_full_enrichment", "invoke"),
        ("enrichment.write_similar_series", "write"),
        ("enriched_catalog", "enriched"),
        ("enriched_catalog_cost_per_run_within_limits", "checks"),
        ("planned_titles_exist", "checks"),
    ],
)
def test_a_step_belongs_to_a_stage(step: str, stage: str) -> None:
    assert stage_of(step) == stage


def test_stages_are_sums_of_steps_and_the_whole_is_from_launch_to_end() -> None:
    steps = steps_of(RUN, LOOKS, HELD)
    assert [step.name for step in steps][:3] == ["queue", "similar_candidates", "enrichment.plan"]
    stages = by_stage(steps, 21.0)
    walls = {"queue": 6.0, "candidates": 4.0, "plan": 5.0, "write": 4.0, "checks": 1.0}
    assert {name: stages[name] for name in walls} == walls
    assert (stages["total"], stages["all_but_candidates"]) == (21.0, 17.0)
    assert stages["plan_cpu"] == pytest.approx(2.0)
    rows = {row["step"]: row for row in step_rows("this build", "first", steps)}
    assert rows.keys() == {"queue", "similar_candidates", "plan", "write_reading_level", "checks"}
    assert (rows["checks"]["wall_s"], rows["plan"]["emulator_cpu_s"]) == (1.0, 2.5)
    peaks = {"queue": 120, "similar_candidates": 300, "plan": 420, "write_reading_level": 410, "checks": None}
    assert {name: row["peak_mb"] for name, row in rows.items()} == peaks


def test_a_step_held_what_was_seen_from_its_beginning_to_its_end() -> None:
    assert held_between(HELD, 105.0, 116.0) == 420_400_000
    assert held_between(HELD, 112.0, 116.0) == 410_000_000
    assert held_between(HELD, 112.5, 115.5) is None


def test_a_peak_is_forgotten_when_it_was_told(tmp_path: Path) -> None:
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "status").write_text("Name:\tpython\nVmHWM:\t  2048 kB\nVmRSS:\t  1024 kB\n")
    assert peak_since_asked(7, tmp_path) == 2 * 1024**2
    assert (tmp_path / "7" / "clear_refs").read_text() == "5"
    (tmp_path / "8").mkdir()
    (tmp_path / "8" / "status").write_text("Name:\tpython\nState:\tZ (zombie)\n")
    assert (peak_since_asked(8, tmp_path), peak_since_asked(9, tmp_path)) == (0, 0)


def test_ratios_are_of_nights_and_stages_that_both_had() -> None:
    now = {"first": {"total": 5.0, "plan": 1.0}, "same": {"total": 1.0}}
    then = {"first": {"total": 10.0, "plan": 0.0, "extra": 3.0}}
    assert ratios(now, then) == {"first": {"total": 0.5}}
    assert stage_rows("a", ["first", "same"], now)[1] == {"build": "a", "stage": "plan", "first": 1.0, "same": 0.0}


def test_the_model_alone_takes_its_latency_for_each_slot() -> None:
    assert model_alone_s(23_296, 500, 64) == 182.0


def test_of_a_changed_catalog_each_hundredth_title_is_another(tmp_path: Path) -> None:
    catalog = tmp_path / "catalog.jsonl"
    write_catalog(catalog, 300, seed=1)
    before = [json.loads(line) for line in catalog.read_text("utf-8").splitlines()]
    change(catalog)
    after = [json.loads(line) for line in catalog.read_text("utf-8").splitlines()]
    assert [place for place, (one, other) in enumerate(zip(before, after, strict=True)) if one != other] == [
        50,
        150,
        250,
    ]
    assert all(one["manga_id"] == other["manga_id"] for one, other in zip(before, after, strict=True))
    assert "A new edition." in str(after[50].get("synopsis") or after[50]["title"])
