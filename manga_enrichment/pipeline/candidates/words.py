"""Words of questions: how people name genres and readers in either language, and how they say "like".

Belongs here: the words. Stays out: what is made of them (`asking.py`).
"""

import re

SAME_LABELS = (
    ("action", "アクション", "バトル"),
    ("adventure", "冒険", "アドベンチャー"),
    ("comedy", "コメディ", "ギャグ", "funny", "comic"),
    ("romantic comedy", "ラブコメ", "romance comedy", "romcom"),
    ("romance", "恋愛", "ラブストーリー", "love story"),
    ("drama", "ドラマ"),
    ("fantasy", "ファンタジー", "magic", "魔法"),
    ("horror", "ホラー", "怪奇", "scary"),
    ("mystery", "ミステリー", "推理", "detective", "探偵"),
    ("sci-fi", "SF", "science fiction", "サイエンスフィクション"),
    ("slice of life", "日常", "日常系"),
    ("sports", "スポーツ"),
    ("supernatural", "超自然", "オカルト", "怪異"),
    ("historical", "歴史", "時代劇", "history"),
    ("school", "学園", "学校", "school life"),
    ("music", "音楽"),
    ("cooking", "料理", "グルメ", "gourmet", "food"),
    ("military", "戦争", "ミリタリー", "war"),
    ("psychological", "サイコ", "心理"),
    ("medical", "医療", "医者"),
    ("vampire", "vampires", "吸血鬼", "ヴァンパイア"),
    ("children", "kids", "kodomo", "子供", "子ども", "児童", "こども"),
    ("shounen", "shonen", "少年"),
    ("shoujo", "shojo", "少女"),
    ("seinen", "青年"),
    ("josei", "女性"),
)
"""Names of one label; a catalog has some of them."""

FILLER = re.compile(
    r"\b(?:an?|the|with|for|about|of|by|some|any|manga|comics?|title|titles|series|story|stories|something|find|me|but|"
    r"and|in|do|does|is|are|you|looking|tell|read|recommend|please|who|wrote)\b|漫画|マンガ|まんが|作品|話|物語|もの|向け|ような|の本|"
    r"教えて|舞台|出てくる|登場|読みたい|読める|探して|好き|面白い|おすすめ|オススメ|主人公|全部",
    re.IGNORECASE,
)
"""What says nothing about a title, where no title is meant."""

LIKE = (
    re.compile(
        r"^(?:.*?\b)?(?:like|similar to|in the style of)\s+(?P<seed>.+?)(?:\s*,?\s+(?:but|only|and)\s+(?P<rest>.+))?$",
        re.IGNORECASE,
    ),
    re.compile(r"^(?P<seed>.+?)(?:みたいな|のような|に似た|っぽい)(?P<rest>.*)$"),
)
"""A question for what is like a title; `rest` says in what it may differ."""
