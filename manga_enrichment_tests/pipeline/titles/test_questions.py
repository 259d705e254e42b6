"""One title's questions are those that a night asks: what it answered is found by them."""

from manga_enrichment.domain.outcomes.outcome import Outcome
from manga_enrichment.pipeline.titles.questions import TitleQuestion, find_title, questions_about
from manga_enrichment_tests.analyses import ANALYSES
from manga_enrichment_tests.builders import World, bare_record, model_of, put_catalog, record, title_id

ASKED = {name: (analysis, model_of(analysis)) for name, analysis in ANALYSES.items()}


def world() -> World:
    made = World()
    put_catalog(made.tables, [record(1), bare_record(5)])
    made.run()
    return made


def questions(made: World, number: int, **changed: object) -> dict[str, TitleQuestion]:
    title = find_title(made.tables, title_id(number), 1)
    assert title is not None
    found = questions_about(title if not changed else record(number, **changed), made.tables, made.ledger, ASKED, 1)
    return {each.question.analysis.name: each for each in found}


def test_what_a_night_asked_has_its_answer_under_todays_question() -> None:
    made = world()
    found = questions(made, 1)
    assert found.keys() == ANALYSES.keys()
    entries = {name: each.entry for name, each in found.items() if each.entry is not None}
    assert entries
    sent = [each.request.prompt.user for each in made.model.sent]
    for name, entry in entries.items():
        assert (entry.manga_id, entry.analysis, entry.outcome) == (title_id(1), name, Outcome.SUCCEEDED)
        assert found[name].question.prompt.user in sent, "the prompt is the one that was sent"


def test_a_title_that_changed_has_another_question_and_no_answer_to_it() -> None:
    made = world()
    before, after = questions(made, 1), questions(made, 1, synopsis="Another story, told at some length. " * 5)
    assert any(each.entry for each in before.values())
    assert not any(each.entry for each in after.values())


def test_too_little_text_is_said() -> None:
    found = questions(world(), 5)
    assert all(each.entry is None for each in found.values())
    assert any(each.too_little for each in found.values())


def test_a_title_that_the_catalog_has_not_is_none() -> None:
    assert find_title(world().tables, title_id(9), 1) is None
