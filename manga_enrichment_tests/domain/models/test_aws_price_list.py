"""Rows made from AWS's price list: which SKU is which price, and one sentence for each thing that it does not say."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from manga_enrichment.cli import main
from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.domain.models.aws_price_list import is_price_list, prices_of
from manga_enrichment.domain.models.rows import parse_rows

FOLDER = Path(__file__).parent
OPEN = FOLDER / "aws_price_list_excerpt.json"
MARKET = FOLDER / "aws_price_list_market_excerpt.json"
LIMITS = ["--max-input-tokens", "300000", "--max-output-tokens", "10000", "--answers-by", "forced_tool"]


def load(path: Path = OPEN) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return document


def add(*arguments: str, table: Path = OPEN) -> Result:
    return CliRunner().invoke(main, ["models", "add", *arguments, "--from", str(table)])


def test_the_prices_of_all_tiers_are_read_and_those_of_other_things_are_not() -> None:
    prices, source = prices_of(load(), "amazon.nova-pro-v1:0", "Nova Pro", "us-east-1")
    assert prices == {
        "input": 800_000,
        "output": 3_200_000,
        "batch_input": 400_000,
        "batch_output": 1_600_000,
        "flex_input": 400_000,
        "flex_output": 1_600_000,
        "priority_input": 1_400_000,
        "priority_output": 5_600_000,
    }, "reads of the cache have a price, writes have none: half a pair is no price"
    assert source == "AWS price list us-east-1 (AmazonBedrock, published 2026-11-20)"


def test_each_region_has_its_own_price_and_must_be_named() -> None:
    elsewhere, _ = prices_of(load(), "amazon.nova-pro-v1:0", "Nova Pro", "eu-west-1")
    assert elsewhere == {"input": 1_050_000, "output": 4_200_000}
    with pytest.raises(ConfigurationError, match="has Nova Pro in eu-west-1, us-east-1: say one of them as --region"):
        prices_of(load(), "amazon.nova-pro-v1:0", "Nova Pro", "")
    with pytest.raises(ConfigurationError, match="not 'mars-1'"):
        prices_of(load(), "amazon.nova-pro-v1:0", "Nova Pro", "mars-1")


def test_a_model_of_the_marketplace_is_sold_by_the_million_and_globally_at_another_price() -> None:
    name, claude = "Claude Haiku 4.5", "anthropic.claude-haiku-4-5-20251001-v1:0"
    of_region, source = prices_of(load(MARKET), f"us.{claude}", name, "")
    worldwide, _ = prices_of(load(MARKET), f"global.{claude}", name, "us-east-1")
    assert of_region == {"input": 1_100_000, "output": 5_500_000, "cache_read": 110_000, "cache_write": 1_375_000}
    assert worldwide == {"input": 1_000_000, "output": 5_000_000, "batch_input": 500_000, "batch_output": 2_500_000}
    assert "AmazonBedrockFoundationModels" in source


def test_an_endpoint_of_its_own_is_no_price_of_this_one() -> None:
    with pytest.raises(ConfigurationError, match="no price on demand of Kimi K3's input and output in us-east-1"):
        prices_of(load(), "moonshotai.kimi-k3", "Kimi K3", "")
    with pytest.raises(ConfigurationError, match="no global price on demand of Nova Pro"):
        prices_of(load(), "global.amazon.nova-pro-v1:0", "Nova Pro", "us-east-1")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Nova Max", "has no model 'Nova Max': say --name as it stands there; near it are Nova Pro"),
        ("", "names models as people do, not 'amazon.nova-pro-v1:0': say --name as it stands there; near it are Nova"),
    ],
)
def test_a_name_is_never_guessed(name: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        prices_of(load(), "amazon.nova-pro-v1:0", name, "us-east-1")


@pytest.mark.parametrize(
    ("dimensions", "said"),
    [
        ({"a": {"unit": "hour", "pricePerUnit": {"USD": "1"}}}, "cannot be read: '1' USD per 'hour', SKU NOVAPROIN"),
        ({"a": {"unit": "1K tokens", "pricePerUnit": {"USD": "much"}}}, "cannot be read: 'much' USD"),
        ({"a": {"unit": "1K tokens", "pricePerUnit": {"USD": "-1"}}}, "cannot be read: '-1' USD"),
        ({"a": {"unit": "1K tokens", "pricePerUnit": {"CNY": "1"}}}, "not as in AWS's price lists: KeyError"),
        ({}, "has 0 prices of Nova Pro"),
        (
            {each: {"unit": "1K tokens", "pricePerUnit": {"USD": each}} for each in ("1", "2")},
            "has 2 prices of Nova Pro",
        ),
    ],
)
def test_a_price_that_cannot_be_read_is_named_with_its_sku(dimensions: dict[str, Any], said: str) -> None:
    table = load()
    (term,) = table["terms"]["OnDemand"]["NOVAPROIN"].values()
    term["priceDimensions"] = dimensions
    with pytest.raises(ConfigurationError, match=said):
        prices_of(table, "amazon.nova-pro-v1:0", "Nova Pro", "us-east-1")


def test_two_skus_of_one_kind_with_two_prices_are_for_a_person_to_judge() -> None:
    table = load()
    table["products"]["AGAIN"] = table["products"]["NOVAPROIN"]
    table["terms"]["OnDemand"]["AGAIN"] = table["terms"]["OnDemand"]["NOVAPROOUT"]
    with pytest.raises(ConfigurationError, match=r"two prices of Nova Pro \(input\) in us-east-1"):
        prices_of(table, "amazon.nova-pro-v1:0", "Nova Pro", "us-east-1")


def test_a_row_is_made_with_the_limits_that_the_list_does_not_have(tmp_path: Path) -> None:
    whole = ["acme.nova-pro", "--name", "Nova Pro", "--region", "us-east-1"]
    refused = add(*whole)
    assert refused.exit_code == 1
    assert "says no max_input_tokens, max_output_tokens, answers_by of 'acme.nova-pro'" in refused.output
    printed = add(*whole, *LIMITS).output
    (row,) = tomllib.loads(printed)["model"]
    assert (row["input"], row["max_output_tokens"], row["answers_by"]) == (800_000, 10_000, "forced_tool")
    assert row["source"].startswith("AWS price list us-east-1 (AmazonBedrock, published 2026-11-20), read on 20")
    assert parse_rows(printed, "printed", {}).specs[0].model_id == "acme.nova-pro"


def test_a_way_to_answer_that_is_none_is_refused() -> None:
    refused = add("acme.nova-pro", "--name", "Nova Pro", "--region", "us-east-1", *LIMITS[:-1], "telepathy")
    assert refused.exit_code == 1
    assert "answers_by must be one of forced_tool, any_tool" in refused.output


def test_a_profile_of_a_known_model_needs_no_limits() -> None:
    printed = add("jp.amazon.nova-pro-v1:0", "--name", "Nova Pro", "--region", "eu-west-1").output
    assert "input = 1_050_000" in printed
    assert "max_input_tokens" not in printed


def test_limits_are_asked_for_by_a_price_list_alone() -> None:
    litellm = FOLDER / "litellm_excerpt.json"
    refused = add("amazon.nova-pro-v1:0", "--name", "Nova Pro", table=litellm)
    assert refused.exit_code == 2
    assert (
        "--name, --region, --max-input-tokens, --max-output-tokens and --answers-by are for AWS's own" in refused.output
    )
    assert not is_price_list(json.loads(litellm.read_text("utf-8")))
    assert is_price_list(load())
