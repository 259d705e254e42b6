"""What is learnt of calls: what nearly each stays below, and what many take together."""

import pytest

from manga_enrichment.domain.models.calibration import MIN_SAMPLES, Calibration, Sample, calibrate


def learnt(outputs: list[int], billed: int = 90) -> Calibration:
    found = calibrate([Sample(100, billed, output, 200) for output in outputs])
    assert found is not None
    return found


def test_too_few_calls_teach_nothing() -> None:
    assert calibrate([Sample(100, 90, 50, 200)] * (MIN_SAMPLES - 1)) is None


def test_calls_that_are_all_alike_have_one_figure() -> None:
    found = learnt([50] * MIN_SAMPLES)
    assert (found.output_tokens, found.mean_output_tokens) == (50, 50)
    assert found.input_factor == found.mean_input_factor == pytest.approx(0.9)


def test_a_sum_goes_by_the_mean_with_three_standard_errors() -> None:
    found = learnt([40, 60] * 50)  # deviation 10, of the mean 1
    assert (found.output_tokens, found.mean_output_tokens) == (60, 53)
