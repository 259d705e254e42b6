"""The page of a trial says what its report says, obeys nobody, and asks the network for nothing."""

import re
from dataclasses import replace
from html.parser import HTMLParser

from manga_enrichment.domain.trials.report import TrialReport
from manga_enrichment.pipeline.trials.keeping import keep_report
from manga_enrichment.pipeline.trials.page import shown_value, trial_charts, trial_html, trial_notes, trial_summary
from manga_enrichment_tests.builders import put_catalog, record, title_id
from manga_enrichment_tests.pipeline.trials.trial_stage import TITLES, TrialStage, other_model, prompt_variant

TRUTH = {title_id(n): {"reading_level": "adult" if n % 3 == 0 else "teen"} for n in range(1, TITLES + 1)}


def tried(**changes: object) -> tuple[TrialStage, TrialReport]:
    stage = TrialStage()
    return stage, stage.tried(stage.question(prompt_variant(), other_model(), titles=TITLES, **changes))


class Texts(HTMLParser):
    """All text of a page, and its tags."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.tags: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.texts.append(data.strip())


def test_it_shows_contenders_fields_confusion_and_examples() -> None:
    _, report = tried(truth=TRUTH)
    page = Texts(trial_html(report))
    said = " ".join(page.texts)
    for expected in (
        "by the cover",
        "sonnet",
        "reading level",
        "exact",
        "closeness",
        "the truth",
        "The Bookshop by the Sea 3",
    ):
        assert expected in said
    assert page.tags.count("svg") == 2
    assert "100.0 %" in said
    assert said.count("★") >= 2


def test_the_headings_of_a_table_of_many_values_stand_upright_so_that_it_is_seen_whole() -> None:
    report = tried(truth=TRUTH)[1]
    assert '<table class="upright">' not in trial_html(report), "of four levels"
    report.standings[1].confusions["reading_level"] = [("teen", f"level {n}", 1) for n in range(9)]
    assert '<table class="upright">' in trial_html(report)


def test_it_asks_the_network_for_nothing() -> None:
    html = trial_html(tried(truth=TRUTH)[1])
    assert "default-src 'none'" in html
    assert not re.search(r"<(script|link|img|iframe)", html)
    assert not re.search(r"(src|href)=\"(?!#)", html)


def test_what_titles_and_models_say_is_shown_and_not_obeyed() -> None:
    stage = TrialStage()
    bad = "<script>alert(1)</script>"
    put_catalog(stage.world.tables, [record(n, title=bad) for n in range(1, TITLES + 1)])
    report = stage.tried(stage.question(prompt_variant(), titles=TITLES))
    html = trial_html(report)
    assert report.standings[1].examples[0].title == bad
    assert bad not in html
    assert "&lt;script&gt;" in html


def test_without_truth_it_compares_with_today_and_says_so() -> None:
    _, report = tried()
    html = trial_html(report)
    assert "Agreement is with today&#39;s answers" in html
    assert "McNemar" not in html
    assert [chart.name for chart in trial_charts(report)] == ["agreement", "front"]
    assert "agreement is with today's answers" in trial_notes(report)[0]


def test_a_trial_that_was_stopped_says_so_at_the_top() -> None:
    _, report = tried()
    stopped = replace(report, stopped="3 answers are missing (budget)")
    assert re.search(r'role="alert">3 answers are missing', trial_html(stopped))
    assert trial_notes(stopped)[-1] == "3 answers are missing (budget)"
    assert "role=" not in trial_html(report).split("<main>")[0].split("<ul")[0]


def test_the_summary_is_a_table_of_markdown_with_sentences_below() -> None:
    _, report = tried(truth={**TRUTH, "MNG-STRANGER": {"reading_level": "kids"}})
    lines = trial_summary(report).splitlines()
    assert lines[0].startswith("| contender | agreement | answered")
    assert len({line.count("|") for line in lines[:5]}) == 1
    assert "by the cover, reading_level: no difference seen (right alone 4, today right alone 0 of 12" in "\n".join(
        lines
    )
    assert "1 ids of the truth are not in the catalog, for example MNG-STRANGER" in "\n".join(lines)


def test_it_is_kept_under_the_trials_name_with_its_figures() -> None:
    stage, report = tried(truth=TRUTH)
    uri = keep_report(stage.world.tables, report)
    assert uri.endswith(f"trials/{report.trial_id}/trial.html")
    figures = stage.world.tables.read_json(f"trials/{report.trial_id}/trial.json")
    assert figures is not None
    assert [each["name"] for each in figures["standings"]] == ["today", "by the cover", "sonnet"]
    assert figures["standings"][1]["agreement"]["mean"] == 1.0


def test_values_are_shown_in_few_words() -> None:
    assert (
        shown_value([{"genre": "drama", "confidence": 0.9}, {"genre": "war", "confidence": 0.5}])
        == "drama (0.90), war (0.50)"
    )
    assert [shown_value(each) for each in (None, [], 0.8, 12, "x", True)] == ["–", "none", "0.80", "12", "x", "True"]
