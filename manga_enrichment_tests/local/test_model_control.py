"""The control interface switches faults on and off and reads counters of the running model server."""

import urllib.error

import pytest

from manga_enrichment.local.stack.model_control import ModelControlError, ModelServerControl
from manga_enrichment.local.stack.processes import free_port


def test_faults_are_set_replaced_and_switched_off_by_a_reset(
    fresh_stack_state: None, model_server: ModelServerControl
) -> None:
    at_rest = model_server.current_faults()
    model_server.faults(throttle_probability=0.5)
    model_server.faults(latency={"fixed_ms": 1})
    assert model_server.current_faults()["latency"]["fixed_ms"] == 1
    assert model_server.current_faults()["throttle_probability"] == 0
    model_server.reset()
    assert model_server.current_faults() == at_rest


def test_counters_start_from_zero(fresh_stack_state: None, model_server: ModelServerControl) -> None:
    counters = model_server.counters()
    assert counters["requests"] == counters["billed"] == 0


def test_an_unknown_fault_switch_is_refused_by_name(model_server: ModelServerControl) -> None:
    with pytest.raises(ModelControlError, match="no_such_switch"):
        model_server.faults(no_such_switch=1)


def test_a_server_that_is_not_there_is_one_clear_sentence() -> None:
    nowhere = ModelServerControl(f"http://127.0.0.1:{free_port()}/")
    with pytest.raises(ModelControlError, match=r"model server at http://127\.0\.0\.1:\d+ does not answer") as caught:
        nowhere.counters()
    assert isinstance(caught.value.__cause__, urllib.error.URLError)
