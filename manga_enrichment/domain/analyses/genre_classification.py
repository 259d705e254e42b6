"""Which genres a title belongs to, how sure that is, and its themes."""

from typing import Any

from manga_enrichment.domain.analyses.base import AnalysisType, Answer, TitleInputs
from manga_enrichment.domain.analyses.text import has_any, has_text
from manga_enrichment.domain.analyses.wording import system_prompt
from manga_enrichment.domain.tables.columns import Column, ListOf, StructOf

MINIMUM_SYNOPSIS = 40
"""Weighted characters: about one sentence, the least a genre can be told from."""

GENRES: dict[str, str] = {
    "action": "fights, chases and physical danger drive the story (バトル, アクション)",
    "adventure": "a journey or quest through places new to the characters (冒険)",
    "comedy": "written to make the reader laugh (ギャグ, コメディ)",
    "cooking": "food, its making or its enjoyment is the subject (料理, グルメ)",
    "crime": "criminals, police or the underworld, without a puzzle to solve (クライム, 任侠)",
    "drama": "serious conflicts between people carry the story (ドラマ, ヒューマンドラマ)",
    "fantasy": "magic or invented worlds; the characters belong to that world (ファンタジー)",
    "historical": "set in a real past era that matters to the story (歴史, 時代劇)",
    "horror": "written to frighten (ホラー)",
    "isekai": "someone from our world lives in another one by transfer or rebirth (異世界, 転生)",
    "magical_girl": "girls who transform to use magic (魔法少女)",
    "martial_arts": "the practice of a fighting art is the subject (格闘, 武道)",
    "mecha": "piloted robots or machines (ロボット, メカ)",
    "music": "making music, bands, idols or dance (音楽, アイドル)",
    "mystery": "a crime or riddle that is solved by reasoning (ミステリー, 推理)",
    "psychological": "the workings or breaking of a mind are the subject (心理, サイコ)",
    "romance": "a love story is the main line (恋愛, ラブコメ)",
    "school_life": "school is the stage and its everyday life matters (学園)",
    "sci_fi": "science, technology or the future beyond today's (SF)",
    "slice_of_life": "everyday life without a large plot (日常)",
    "sports": "training and contests in a sport (スポーツ)",
    "supernatural": "ghosts, spirits or powers within an otherwise real world (怪異, 妖怪, オカルト)",
    "thriller": "suspense under mounting threat, survival or death games (サスペンス)",
    "war": "armies and war are the subject (戦争)",
    "workplace": "a job and its people are the subject (お仕事, 職業)",
}

RUBRIC = """\
Genre classification
- primary_genre: the one genre under which a shopper would look for this title first. Ask what the reader \
is promised, not where the story is set: a cooking contest at a school is cooking, a love story among \
knights is romance.
- genres: one to five entries, the primary genre among them, most certain first, none twice. Leave out \
what is only a passing element; most titles have two or three.
- confidence: 0.90 and more when a publisher genre or an explicit statement says so; 0.70 to 0.89 when \
the synopsis shows it clearly; 0.40 to 0.69 when it is inferred from setting or tone; leave out anything \
weaker.
- Demographics such as shounen or seinen are not genres, and no genre follows from them alone.
- themes: up to eight motifs in English lower case, one to three words each, such as "found family", \
"revenge", "time loop". Not a repetition of a genre, no names, no judgements; an empty list when nothing \
stands out.
- The genres:
""" + "\n".join(f"  - {genre}: {meaning}" for genre, meaning in GENRES.items())

_SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["primary_genre", "genres", "themes"],
    "properties": {
        "primary_genre": {"type": "string", "enum": list(GENRES)},
        "genres": {
            "type": "array",
            "minItems": 1,
            "maxItems": 5,
            "uniqueItems": True,
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["genre", "confidence"],
                "properties": {
                    "genre": {"type": "string", "enum": list(GENRES)},
                    "confidence": {"type": "number", "minimum": 0, "maximum": 1},
                },
            },
        },
        "themes": {
            "type": "array",
            "maxItems": 8,
            "uniqueItems": True,
            "items": {"type": "string", "minLength": 2, "maxLength": 40},
        },
    },
}


def _sufficient(inputs: TitleInputs) -> str | None:
    if has_any(inputs.fields, "publisher_genres", "themes"):
        return None
    if has_text(inputs.fields, "synopsis", MINIMUM_SYNOPSIS):
        return None
    return "no publisher genre or theme and hardly any synopsis"


def _check(answer: Answer, _inputs: TitleInputs) -> list[str]:
    named = [entry["genre"] for entry in answer["genres"]]
    problems = []
    if len(set(named)) != len(named):
        problems.append("genres: a genre is listed twice")
    if answer["primary_genre"] not in named:
        problems.append("primary_genre: not among genres")
    return problems


def _to_row(answer: Answer) -> dict[str, Any]:
    return {
        "primary_genre": answer["primary_genre"],
        "genres": [
            {"genre": entry["genre"], "confidence": float(entry["confidence"])}
            for entry in sorted(answer["genres"], key=lambda entry: -entry["confidence"])
        ],
        "story_themes": list(answer["themes"]),
    }


ANALYSIS = AnalysisType(
    name="genre_classification",
    version="1",
    description="Record the genres and themes of one manga title.",
    fields=(
        "title",
        "title_ja",
        "type",
        "demographics",
        "magazines",
        "publisher_genres",
        "themes",
        "synopsis",
    ),
    instructions=system_prompt(RUBRIC),
    output_schema=_SCHEMA,
    max_tokens=400,
    expected_output_tokens=75,
    sufficient=_sufficient,
    columns=(
        Column("primary_genre", "string", "Genre a shopper would look under first, one of 25.", False, tuple(GENRES)),
        Column(
            "genres",
            ListOf(StructOf((("genre", "string"), ("confidence", "float64")))),
            "One to five genres with confidence from 0 to 1, most certain first.",
            False,
        ),
        Column("story_themes", ListOf("string"), "Up to eight motifs in English, or nothing.", False),
    ),
    to_row=_to_row,
    check=_check,
    request="Classify the title above.",
)
