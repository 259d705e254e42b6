"""What is on the bill, and that it survives in a file."""

import hashlib
from pathlib import Path

import pytest

from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.domain.models.loading import load_models
from manga_enrichment.domain.models.specs import ModelSpec
from manga_enrichment.domain.models.usage import Usage, cost_micro_usd
from manga_enrichment.local.model_server.faults import FaultKind
from manga_enrichment.local.model_server.meter import Meter
from manga_enrichment.local.model_server.protocol.model_request import prompt_digest
from manga_enrichment.local.model_server.record_file import RecordFile


def digest(number: int) -> bytes:
    return hashlib.sha256(str(number).encode()).digest()


def bill(meter: Meter, spec: ModelSpec, *numbers: int) -> None:
    for number in numbers:
        meter.arrived()
        meter.accepted(spec)
        meter.bill(spec, digest(number), Usage(1_001, 77), FaultKind.NONE)
        meter.left()


def test_each_call_is_rounded_by_itself_and_repeated_prompts_are_duplicates(forcing_model: ModelSpec) -> None:
    meter, other = Meter(), load_models().resolve("haiku")
    bill(meter, forcing_model, 1, 2, 1, 1)
    bill(meter, other, 3)
    seen = meter.snapshot()
    cost = cost_micro_usd(Usage(1_001, 77), forcing_model.price)
    assert (seen["requests"], seen["billed"], seen["duplicates"]) == (5, 5, 2)
    assert seen["by_model"][forcing_model.model_id]["cost_micro_usd"] == 4 * cost
    assert seen["by_model"][other.model_id]["requests"] == 1
    assert seen["cost_micro_usd"] == sum(each["cost_micro_usd"] for each in seen["by_model"].values())


def test_a_reset_forgets_everything_but_what_is_in_flight(forcing_model: ModelSpec) -> None:
    meter = Meter()
    bill(meter, forcing_model, 1)
    meter.arrived()
    meter.reset()
    seen = meter.snapshot()
    assert (seen["requests"], seen["billed"], seen["in_flight"], seen["max_in_flight"]) == (0, 0, 1, 1)
    bill(meter, forcing_model, 1)
    assert meter.snapshot()["duplicates"] == 0


def test_a_record_continues_where_the_last_process_stopped(tmp_path: Path, forcing_model: ModelSpec) -> None:
    path = tmp_path / "deep" / "bill.json"
    before = Meter()
    record = RecordFile(path, before)
    bill(before, forcing_model, 1, 2)
    record.save()
    bill(before, forcing_model, 3)
    record.save()
    after = Meter()
    RecordFile(path, after)
    assert after.snapshot() == before.snapshot()
    bill(after, forcing_model, 2, 3, 4)
    assert after.snapshot()["duplicates"] == 2


def test_a_reset_also_clears_what_the_record_remembers(tmp_path: Path, forcing_model: ModelSpec) -> None:
    path = tmp_path / "bill.json"
    meter = Meter()
    record = RecordFile(path, meter)
    bill(meter, forcing_model, 1, 2)
    record.save()
    meter.reset()
    bill(meter, forcing_model, 3)
    record.save()
    after = Meter()
    RecordFile(path, after)
    bill(after, forcing_model, 1, 3)
    assert (after.snapshot()["billed"], after.snapshot()["duplicates"]) == (3, 1)


def test_a_prompt_that_a_kill_cut_in_half_is_dropped(tmp_path: Path, forcing_model: ModelSpec) -> None:
    path = tmp_path / "bill.json"
    meter = Meter()
    record = RecordFile(path, meter)
    bill(meter, forcing_model, 1, 2)
    record.save()
    prompts = path.with_name("bill.json.prompts")
    prompts.write_bytes(prompts.read_bytes()[:-3])
    after = Meter()
    continued = RecordFile(path, after)
    bill(after, forcing_model, 1, 2)
    continued.save()
    assert after.snapshot()["duplicates"] == 1
    assert prompts.read_bytes() == digest(1)[:8] + digest(2)[:8]


@pytest.mark.parametrize("content", [b"", b"[]", b'{"requests": 1}', b"\xff"])
def test_a_file_that_is_no_record_is_named_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bill.json"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"--record-file .*bill\.json is not a record"):
        RecordFile(path, Meter())
    assert path.read_bytes() == content


def test_a_prompt_is_the_same_whatever_the_order_of_its_keys_and_its_labels() -> None:
    one = prompt_digest("m", {"a": 1, "b": {"c": 2, "d": 3}})
    assert one == prompt_digest("m", {"b": {"d": 3, "c": 2}, "a": 1, "requestMetadata": {"run": "7"}})
    assert one != prompt_digest("other", {"a": 1, "b": {"c": 2, "d": 3}})
    assert one != prompt_digest("m", {"a": 1, "b": {"c": 2, "d": 4}})
