"""Who publishes the sample titles, where, and for whom: fictional publishers and magazines by demographic.

The demographic decides the reading level, except for the few adults-only titles of grown-ups' magazines.
"""

from manga_enrichment.local.sample_catalog.dice import Dice

READING_LEVELS = {"children": "kids", "shonen": "teen", "shojo": "teen", "seinen": "adult", "josei": "adult"}

MAGAZINES = {
    "children": ("よいこコメット", "月刊小学四年生の星", "Monthly Kids Acorn", "幼年まんがどんぐり"),
    "shonen": ("週刊少年コメット", "週刊少年ランタン", "Weekly Shonen Comet", "月刊少年シグナル"),
    "shojo": ("別冊少女はなびら", "月刊少女シトラス", "Monthly Shojo Petal", "Shojo Citrus"),
    "seinen": ("ヤングランタン", "週刊青年アンカー", "Young Lantern", "Monthly Seinen Anchor"),
    "josei": ("月刊女性セリフ", "レディスしおり", "Josei Bookmark", "Monthly Josei Velvet"),
}
PUBLISHERS = (
    "Kisaragi Press",
    "Comet Comics",
    "Lantern Manga",
    "Paper Boat",
    "如月書房",
    "コメット出版",
    "紙舟社",
)

_LABELS = {
    "children": ("kodomo", "児童", "Kids"),
    "shonen": ("shounen", "少年", "Shonen"),
    "shojo": ("shoujo", "少女", "Shojo"),
    "seinen": ("seinen", "青年", "Seinen"),
    "josei": ("josei", "女性", "Josei"),
}
_RATINGS = {
    "kids": ("All ages", "G", "全年齢"),
    "teen": ("Teen", "13+", "PG-13"),
    "adult": ("16+", "Older teen", "R-15"),
    "mature": ("R18+", "Mature", "成人向け"),
}
_GENRE_LABELS = {"sci_fi": "SF", "slice_of_life": "Slice of Life", "magical_girl": "Mahou Shoujo"}
_MATURE_SHARE = 0.06


def reading_level(dice: Dice, demographic: str, genre: str) -> str:
    """kids, teen, adult, or mature for some of the darker titles for grown-ups."""
    level = READING_LEVELS[demographic]
    dark = genre in {"horror", "crime", "psychological", "action"}
    return "mature" if level == "adult" and dark and dice.chance(_MATURE_SHARE * 4) else level


def audience_fields(dice: Dice, demographic: str, level: str) -> dict[str, object]:
    """magazines, demographics and content_rating, each present in a part of the titles only.

    A mature title always says so in its rating: nothing else could tell it from other titles of its magazine.
    """
    row: dict[str, object] = {}
    if dice.chance(0.75):
        row["magazines"] = [dice.pick(MAGAZINES[demographic])]
    if dice.chance(0.6):
        row["demographics"] = [dice.pick(_LABELS[demographic])]
    if level == "mature" or dice.chance(0.25):
        row["content_rating"] = dice.pick(_RATINGS[level])
    return row


def genre_label(genre: str) -> str:
    """A genre as a publisher writes it."""
    return _GENRE_LABELS.get(genre) or genre.replace("_", " ").title()
