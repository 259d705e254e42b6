"""The model table: prices as published, names that resolve, errors that help."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from manga_enrichment.domain.models.loading import load_models
from manga_enrichment.domain.models.rows import MissingPriceError, parse_rows
from manga_enrichment.domain.models.specs import MODELS_FILE, ModelSpec, UnknownModelError
from manga_enrichment.domain.models.usage import Price

PRICE_FILE = Path(__file__).parents[4] / "shared" / "bedrock_claude_prices.json"
PREFIXES = ("anthropic.", "global.anthropic.", "jp.anthropic.", "apac.anthropic.")
OLDER_THAN_THE_FILE = {"anthropic.claude-3-haiku-20240307-v1:0", "anthropic.claude-3-sonnet-20240229-v1:0"}


def published_rows() -> dict[str, dict[str, Any]]:
    if not PRICE_FILE.exists():
        pytest.skip(f"the published price table is not here: {PRICE_FILE}")
    rows: dict[str, dict[str, Any]] = json.loads(PRICE_FILE.read_text(encoding="utf-8"))["rows"]
    return rows


def micro_usd_per_million(usd_per_token: float | None) -> int | None:
    return None if usd_per_token is None else round(usd_per_token * 1e12)


def published_price(row: dict[str, Any]) -> Price:
    names = (
        "input_cost_per_token",
        "output_cost_per_token",
        "cache_read_input_token_cost",
        "cache_creation_input_token_cost",
        "input_cost_per_token_batches",
        "output_cost_per_token_batches",
    )
    return Price(*(micro_usd_per_million(row.get(name)) for name in names))  # type: ignore[arg-type]


def test_every_row_has_the_published_price_limits_and_capabilities() -> None:
    published = published_rows()
    for model_id, spec in load_models().models.items():
        if model_id in OLDER_THAN_THE_FILE or spec.family != "anthropic":
            continue
        row = published[model_id]
        assert spec.price == published_price(row), model_id
        assert spec.max_input_tokens == row["max_input_tokens"], model_id
        assert spec.max_output_tokens == row["max_output_tokens"], model_id
        assert spec.takes_temperature == row.get("supports_sampling_params", True), model_id
        assert spec.takes_forced_tool == row.get("supports_forced_tool_use", True), model_id
        if "deprecation_date" in row:
            assert spec.end_of_life == date.fromisoformat(row["deprecation_date"]), model_id


def test_every_published_haiku_and_sonnet_of_our_regions_has_a_row() -> None:
    ours = {
        model_id
        for model_id in published_rows()
        if model_id.startswith(PREFIXES) and any(name in model_id for name in ("haiku", "sonnet", "opus-5-5"))
    }
    claudes = {model_id for model_id, spec in load_models().models.items() if spec.family == "anthropic"}
    assert ours | OLDER_THAN_THE_FILE == claudes


def test_the_claude_3_rows_keep_the_prices_the_requirements_name() -> None:
    models = load_models()
    haiku = models.by_id("anthropic.claude-3-haiku-20240307-v1:0")
    sonnet = models.by_id("anthropic.claude-3-sonnet-20240229-v1:0")
    assert haiku.price == Price(250_000, 1_250_000)
    assert sonnet.price == Price(3_000_000, 15_000_000)
    assert haiku.end_of_life is not None
    assert haiku.end_of_life.year == 2026
    assert sonnet.end_of_life is not None
    assert sonnet.end_of_life.year == 2026


@pytest.mark.parametrize(
    ("alias", "model_id"),
    [
        ("haiku", "global.anthropic.claude-haiku-5-5"),
        ("sonnet", "global.anthropic.claude-sonnet-5-5"),
        ("haiku-batch", "global.anthropic.claude-haiku-4-5-20251001-v1:0"),
    ],
)
def test_an_alias_resolves_to_its_model(alias: str, model_id: str) -> None:
    assert load_models().resolve(alias).model_id == model_id


def test_a_model_id_resolves_to_itself() -> None:
    models = load_models()
    assert models.models
    assert all(models.resolve(model_id) is spec for model_id, spec in models.models.items())


def test_no_alias_leads_to_a_model_with_an_announced_end() -> None:
    models = load_models()
    assert all(models.resolve(alias).end_of_life is None for alias in models.aliases)


def test_the_batch_alias_has_a_batch_price() -> None:
    assert load_models().resolve("haiku-batch").price.has_batch


def test_newer_models_take_more_of_the_quota_per_output_token() -> None:
    models = load_models()
    assert models.by_id("anthropic.claude-3-5-haiku-20241022-v1:0").output_burndown == 1
    assert models.by_id("anthropic.claude-haiku-4-5-20251001-v1:0").output_burndown == 5
    assert models.by_id("anthropic.claude-haiku-5-5").output_burndown == 10


def test_a_price_holds_for_the_whole_context_unless_the_row_says_otherwise() -> None:
    models = load_models()
    assert models.resolve("haiku").price_holds_up_to_input_tokens == 100_000
    sonnet = models.resolve("sonnet")
    assert sonnet.price_holds_up_to_input_tokens == sonnet.max_input_tokens


def test_an_override_replaces_an_alias_and_leaves_the_others() -> None:
    models = load_models({"haiku": "jp.anthropic.claude-haiku-5-5", "big": "anthropic.claude-opus-5-5"})
    assert models.resolve("haiku").model_id == "jp.anthropic.claude-haiku-5-5"
    assert models.resolve("big").model_id == "anthropic.claude-opus-5-5"
    assert models.resolve("sonnet") == load_models().resolve("sonnet")
    assert load_models().resolve("haiku").model_id == "global.anthropic.claude-haiku-5-5"


def test_an_unknown_alias_is_an_error_that_names_it_the_known_ones_and_the_setting() -> None:
    with pytest.raises(UnknownModelError) as caught:
        load_models().resolve("opus-42")
    message = str(caught.value)
    for expected in ("'opus-42'", "haiku", "sonnet", "haiku-batch", "MANGA_MODEL_ALIASES"):
        assert expected in message


def test_an_override_with_an_unknown_model_fails_at_once_and_names_the_alias() -> None:
    with pytest.raises(UnknownModelError, match=r"'nowhere\.model'.*'haiku'"):
        load_models({"haiku": "nowhere.model"})


def test_an_alias_is_not_a_model_id() -> None:
    with pytest.raises(UnknownModelError, match="'haiku'"):
        load_models().by_id("haiku")


@pytest.mark.parametrize("prices", ["input = 1", "output = 1", "", "cache_read = 1"])
def test_a_row_without_input_and_output_price_is_refused(prices: str) -> None:
    row = f'[aliases]\n[[model]]\nid = "free.model"\nmax_input_tokens = 1\nmax_output_tokens = 1\n{prices}'
    with pytest.raises(MissingPriceError, match=r"'free\.model'"):
        parse_rows(row, MODELS_FILE, {})


@pytest.mark.parametrize("prices", ["cache_read = 1", "cache_write = 1", ""])
def test_a_row_that_caches_without_a_price_for_it_is_refused(prices: str) -> None:
    row = '[aliases]\n[[model]]\nid = "free.model"\nmax_input_tokens = 1\nmax_output_tokens = 1\ninput = 1\noutput = 1'
    with pytest.raises(MissingPriceError, match=r"'free\.model' .* no cache_read or cache_write price"):
        parse_rows(f"{row}\ncache_minimum_tokens = 1024\n{prices}", MODELS_FILE, {})


@pytest.mark.parametrize(
    ("end_of_life", "days", "expected"),
    [
        (None, 10_000, False),
        (date(2026, 12, 1), 90, True),
        (date(2026, 1, 1), 0, True),
        (date(2026, 11, 11), 10, True),
        (date(2026, 11, 12), 10, False),
    ],
)
def test_a_model_ends_within_some_days_when_it_is_gone_or_will_be(
    end_of_life: date | None, days: int, expected: bool
) -> None:
    spec = ModelSpec("some.model", Price(1, 1), 1, 1, 1, end_of_life=end_of_life)
    assert spec.ends_within(days, date(2026, 11, 1)) is expected
