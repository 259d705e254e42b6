"""A wrong setting is one sentence that names it and the fix, before any call is billed."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from manga_enrichment.assembly import build_definitions
from manga_enrichment.defs.enrichment.jobs import NIGHTLY_JOB
from manga_enrichment.defs.shared.tags import range_tags
from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.domain.models.rows import MissingPriceError, parse_rows
from manga_enrichment.domain.models.specs import MODELS_FILE
from manga_enrichment.local.stack.model_control import ModelServerControl
from manga_enrichment.settings import load_settings
from manga_enrichment_tests.builders import catalog_row, write_source
from manga_enrichment_tests.conftest import NOWHERE
from manga_enrichment_tests.defs.project import failures


def nightly(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Failed ops of a nightly run with real gateways under the present environment."""
    source = write_source(folder / "catalog.jsonl", [catalog_row(number) for number in range(4)])
    monkeypatch.setenv("MANGA_CATALOG_URI", str(source))
    monkeypatch.setenv("MANGA_CATALOG_BUCKETS", "1")
    job = build_definitions().resolve_job_def(NIGHTLY_JOB)
    result = job.execute_in_process(tags=range_tags("0", "0"), raise_on_error=False)
    assert not result.success
    return failures(result)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("MANGA_CONCURRENCY", "0", "MANGA_CONCURRENCY='0' is not valid: .*greater than or equal to 1.*calls in flight"),
        ("MANGA_CATALOG_BUCKETS", "many", "MANGA_CATALOG_BUCKETS='many' is not valid: .*integer"),
        ("MANGA_BUDGET_USD_PER_DAY", "-1", "MANGA_BUDGET_USD_PER_DAY='-1' is not valid: "),
        ("MANGA_MODEL_ALIASES", "{not json", "MANGA_.*JSON"),
        ("MANGA_MODEL_ALIASES", '{"haiku": "no-such-model"}', "Unknown 'no-such-model' .*MANGA_MODEL_ALIASES"),
        ("MANGA_MODEL_ALIASES", '{"haiku": 7}', "MANGA_MODEL_ALIASES"),
    ],
)
def test_an_invalid_setting_is_refused_when_the_definitions_load(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, sentence: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=sentence):
        build_definitions(load_settings())


def test_two_invalid_settings_are_both_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MANGA_CONCURRENCY", "0")
    monkeypatch.setenv("MANGA_ERROR_RATE_WARN", "2")
    with pytest.raises(ConfigurationError, match=r"MANGA_CONCURRENCY.*; MANGA_ERROR_RATE_WARN"):
        load_settings()


def test_a_model_without_a_price_is_refused() -> None:
    row = '[aliases]\n[[model]]\nid = "new-model"\ninput = 1\nmax_input_tokens = 1\nmax_output_tokens = 1\n'
    with pytest.raises(MissingPriceError, match=r"'new-model' in models\.toml has no input or output price: add both"):
        parse_rows(row, MODELS_FILE, {})


def test_missing_credentials_are_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    (sentence,) = nightly(tmp_path, monkeypatch).values()
    assert "No AWS credentials were found" in sentence
    assert "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" in sentence


@pytest.mark.slow
def test_an_unreachable_endpoint_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (sentence,) = nightly(tmp_path, monkeypatch).values()
    assert sentence == (
        "The S3 bucket manga-fm-results cannot be reached at "
        f"{NOWHERE}/manga-fm-results/enrichment/catalog/_state.json: "
        "if it never could, check AWS_ENDPOINT_URL and AWS_DEFAULT_REGION"
    )


@pytest.fixture
def billed_nothing(fresh_stack_state: None, model_server: ModelServerControl) -> Iterator[None]:
    yield
    assert model_server.counters()["requests"] == 0


@pytest.mark.usefixtures("aws_environment", "billed_nothing")
def test_an_unreachable_model_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", NOWHERE)
    monkeypatch.setenv("MANGA_DEADLINE_SECONDS", "10")  # of all tries; five of a minute each are no better a test
    failed = nightly(tmp_path, monkeypatch)
    assert list(failed) == ["invoke_full_enrichment"]
    assert f"Bedrock cannot be reached at {NOWHERE}" in failed["invoke_full_enrichment"]
    assert "AWS_ENDPOINT_URL_BEDROCK_RUNTIME" in failed["invoke_full_enrichment"]


@pytest.mark.usefixtures("aws_environment", "billed_nothing")
def test_a_bucket_that_does_not_exist_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MANGA_BUCKET", "no-such-bucket")
    (sentence,) = nightly(tmp_path, monkeypatch).values()
    assert "no-such-bucket does not exist: deploy infra/storage.yaml or correct MANGA_BUCKET" in sentence


@pytest.mark.usefixtures("aws_environment", "billed_nothing")
def test_a_ledger_that_does_not_exist_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MANGA_LEDGER_TABLE", "no-such-table")
    failed = nightly(tmp_path, monkeypatch)
    assert list(failed) == ["plan"]
    assert "correct MANGA_LEDGER_TABLE" in failed["plan"]


def test_a_misspelt_switch_of_a_run_is_refused() -> None:
    """Run config is a setting too."""
    config = {"ops": {"enrichment": {"ops": {"plan": {"config": {"dry_runn": True}}}}}}
    job = build_definitions().resolve_job_def(NIGHTLY_JOB)
    with pytest.raises(dg.DagsterInvalidConfigError, match="dry_runn"):
        job.execute_in_process(tags=range_tags("0", "0"), run_config=config, raise_on_error=False)
