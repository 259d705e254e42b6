"""Authors in all the shapes that files have for them."""

import pytest

from manga_enrichment.domain.catalog.people import authors
from manga_enrichment.domain.catalog.records import Author
from manga_enrichment.domain.catalog.warnings import WarningReason


@pytest.mark.parametrize(
    ("raw", "people"),
    [
        ([{"name": "Oda, Mio", "role": "story"}], (Author("Oda, Mio", "story"),)),
        ([{"name": "Oda, Mio", "role": ""}], (Author("Oda, Mio"),)),
        ('[{"name": "Ren", "role": "art"}]', (Author("Ren", "art"),)),
        ({"name": "Ren"}, (Author("Ren"),)),
        ("[{'id': 1, 'first_name': 'Ann', 'last_name': 'Lee', 'role': 'Art'}]", (Author("Ann Lee", "Art"),)),
        ([{"node": {"id": 1, "first_name": "Ann", "last_name": ""}, "role": "Story"}], (Author("Ann", "Story"),)),
        ([{"name": {"full": "Ann Lee", "native": "李安"}}], (Author("Ann Lee"),)),
        ([{"role": "Art", "node": {"name": {"full": "Ann Lee"}}}], (Author("Ann Lee", "Art"),)),
        ([{"name": {"first": "Ann", "last": "Lee"}, "roles": ["Story", "Art"]}], (Author("Ann Lee", "Story & Art"),)),
        ([{"mal_id": 1, "type": "people", "name": "Lee, Ann", "url": "https://x.example"}], (Author("Lee, Ann"),)),
        ([{"id": "x", "type": "author", "attributes": {"name": "Ann Lee"}}], (Author("Ann Lee"),)),
    ],
)
def test_people_as_objects(raw: object, people: tuple[Author, ...]) -> None:
    assert authors(raw) == people


@pytest.mark.parametrize(
    ("raw", "people"),
    [
        ("Oda, Mio (story & art); Ren", (Author("Oda, Mio", "story & art"), Author("Ren"))),
        (
            "Yamada, Hanako (Story), Suzuki, Ichiro (Art)",
            (Author("Yamada, Hanako", "Story"), Author("Suzuki, Ichiro", "Art")),
        ),
        (["Yamada, Hanako (Story & Art), Suzuki"], (Author("Yamada, Hanako", "Story & Art"), Author("Suzuki"))),
        ("Yamada (Clamp), Inc.", (Author("Yamada (Clamp), Inc."),)),
        ("Qing Shan (青山漫画)", (Author("Qing Shan (青山漫画)"),)),
        ("Qing Shan (Blue Hills)", (Author("Qing Shan (Blue Hills)"),)),
        ("山田花子／著", (Author("山田花子", "著"),)),
        ("山田花子/著", (Author("山田花子", "著"),)),
        ("山田花子／原作　鈴木一郎／漫画", (Author("山田花子", "原作"), Author("鈴木一郎", "漫画"))),
        ("[作]A　／　[画]B", (Author("A", "作"), Author("B", "画"))),
        ("小林花子　／　よしりん企画", (Author("小林花子"), Author("よしりん企画"))),
        ("[作／画]小島花子", (Author("小島花子", "作／画"),)),
        ("原作：山田花子 漫画：鈴木一郎", (Author("山田花子", "原作"), Author("鈴木一郎", "漫画"))),
        ("原作:山田花子／作画:鈴木一郎", (Author("山田花子", "原作"), Author("鈴木一郎", "作画"))),
        ("Story: Ann Lee, Art: Bo Ray", (Author("Ann Lee", "Story"), Author("Bo Ray", "Art"))),
        (["朝霧葵（作画）"], (Author("朝霧葵", "作画"),)),
        (["朝霧葵（原作・キャラクター原案）"], (Author("朝霧葵", "原作・キャラクター原案"),)),
        (["朝霧葵(朝霧一座)"], (Author("朝霧葵(朝霧一座)"),)),
        (["朝霧葵（作画グループ）"], (Author("朝霧葵（作画グループ）"),)),
        (["[原案]朝霧葵"], (Author("朝霧葵", "原案"),)),
        (["[原作]朝霧葵 ／ [監修]星村蓮"], (Author("朝霧葵", "原作"), Author("星村蓮", "監修"))),
        (["Ren", "Ren", "", None], (Author("Ren"),)),
        ("Oda, Mio", (Author("Oda, Mio"),)),
        (["nil", "-", "Unknown", "N/A", "None", "[作]？", "他"], ()),
    ],
)
def test_people_as_texts_are_taken_apart_only_where_there_is_no_doubt(raw: object, people: tuple[Author, ...]) -> None:
    assert authors(raw) == people


@pytest.mark.parametrize(
    ("raw", "reasons"),
    [
        (["Ren", "Ren"], [WarningReason.DUPLICATE]),
        (["Ren", "Unknown"], [WarningReason.NULL_WORD]),
        (["Ren", {"role": "art"}], [WarningReason.UNKNOWN_SHAPE]),
        (["Ren", "[['a']]"], [WarningReason.CONTAINER]),
    ],
)
def test_what_people_lost_is_told(raw: object, reasons: list[WarningReason]) -> None:
    notes: list[WarningReason] = []
    assert authors(raw, notes.append)[0] == Author("Ren")
    assert notes == reasons


def test_a_long_hostile_text_is_read_in_one_go() -> None:
    for piece in ("作／", "(", "原作：", "A (art), ", "画・", "／[", "story "):
        for length in (1000, 100_000):
            authors((piece * length)[:length])
