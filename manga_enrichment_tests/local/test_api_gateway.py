"""The additions to the emulator refuse an emulator that they were not written for."""

import types

import pytest

from manga_enrichment.local.stack.api_gateway import check_emulator
from manga_enrichment.local.stack.workflows import UnknownEmulatorError, check_workflows


def test_the_installed_emulator_is_the_right_one() -> None:
    from ministack.services import apigateway_v1  # noqa: PLC0415 - its import takes a while

    check_emulator(apigateway_v1)


def test_step_functions_of_another_emulator_are_refused_too() -> None:
    from ministack.services import stepfunctions  # noqa: PLC0415 - its import takes a while

    check_workflows(stepfunctions)
    with pytest.raises(UnknownEmulatorError, match="_start_sync_execution"):
        check_workflows(types.ModuleType("stepfunctions"))


def test_another_emulator_is_refused_with_what_to_do() -> None:
    def with_other_parameters(request: object) -> None: ...

    other = types.ModuleType("apigateway_v1")
    with pytest.raises(UnknownEmulatorError, match=r"another _invoke_lambda_custom_v1: install the version in const"):
        check_emulator(other)
    setattr(other, "_invoke_lambda_custom_v1", with_other_parameters)  # noqa: B010 - it is private where it comes from
    with pytest.raises(UnknownEmulatorError, match="another _invoke_lambda_custom_v1"):
        check_emulator(other)
