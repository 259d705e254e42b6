"""What reaches a model and a table of each packaged analysis is what it was, unless its version is raised.

A fingerprint counts the version and not the text, so a text that changes by accident would go unnoticed: answers of two
prompts would stand in one table. A digest that changes on purpose is written here anew, together with the version.
"""

import hashlib
import json

import pytest

from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.domain.analyses.registry import packaged_documents
from manga_enrichment_tests.analyses import FOR_PARTNERS

KEPT = {
    ("genre_classification", "1"): 1057822784575823179,
    ("content_summary", "1"): 660645795702383347,
    ("similar_series", "1"): 404982664583137333,
    ("reading_level", "1"): 707595934104761018,
    ("full_enrichment", "1-1-1-1-1"): 797835060869881823,
    ("content_moderation", "1"): 737433248760861655,
}


def digest_of(analysis: AnalysisType) -> int:
    said = {
        "name": analysis.name,
        "version": analysis.version,
        "description": analysis.description,
        "fields": analysis.fields,
        "instructions": analysis.instructions,
        "schema": analysis.output_schema,
        "max_tokens": analysis.max_tokens,
        "temperature": analysis.temperature,
        "request": analysis.request,
        "tool": analysis.tool_name,
        "model": analysis.model_alias,
        "candidates": analysis.needs_candidates,
        "parts": analysis.parts,
        "expected": analysis.expected_output_tokens,
        "columns": [repr(column) for column in analysis.columns],
    }
    return int(hashlib.sha256(json.dumps(said).encode()).hexdigest()[:15], 16)


@pytest.mark.parametrize(("name", "version"), KEPT)
def test_a_packaged_analysis_is_what_it_was(name: str, version: str) -> None:
    assert FOR_PARTNERS[name].version == version
    assert digest_of(FOR_PARTNERS[name]) == KEPT[name, version]


def test_every_version_that_is_set_by_hand_is_kept() -> None:
    assert [name for name, _ in KEPT] == [each.name for each in packaged_documents() if each.version]
