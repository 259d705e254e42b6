"""Text as it is compared: width, case, kana, accents and signs make no difference.

Belongs here: folding, and Japanese typed in Latin letters read as kana (Hepburn, no dictionary). Stays out: what is cut
from folded text (`terms.py`).
"""

import re
import unicodedata
from functools import cache

_SIGNS = re.compile(r"[\W_]+")
_MARKS = re.compile("[\u0300-\u036f]")
_SMALL = dict(zip("ぁぃぅぇぉっゃゅょゎゕゖ", "あいうえおつやゆよわかけ", strict=True))

_ROWS = {
    "": "あいうえお",
    "k": "かきくけこ",
    "s": "さしすせそ",
    "t": "たちつてと",
    "n": "なにぬねの",
    "h": "はひふへほ",
    "m": "まみむめも",
    "r": "らりるれろ",
    "g": "がぎぐげご",
    "z": "ざじずぜぞ",
    "d": "だぢづでど",
    "b": "ばびぶべぼ",
    "p": "ぱぴぷぺぽ",
}
_GLIDES = {
    "k": "き",
    "s": "し",
    "t": "ち",
    "n": "に",
    "h": "ひ",
    "m": "み",
    "r": "り",
    "g": "ぎ",
    "z": "じ",
    "b": "び",
    "p": "ぴ",
}
_SINGLE = {
    "shi": "し", "chi": "ち", "tsu": "つ", "fu": "ふ", "ji": "じ", "ya": "や", "yu": "ゆ", "yo": "よ", "wa": "わ",
    "wo": "を", "vu": "ゔ", "va": "ゔぁ", "vi": "ゔぃ", "ve": "ゔぇ", "vo": "ゔぉ", "fa": "ふぁ", "fi": "ふぃ",
    "fe": "ふぇ", "fo": "ふぉ", "ti": "てぃ", "di": "でぃ", "che": "ちぇ", "she": "しぇ", "je": "じぇ", "n": "ん",
}  # fmt: skip


def folded(text: str) -> str:
    """Lower-case words with single spaces between them; katakana as hiragana, without long vowel marks."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    if text.isascii():
        text = text.lower()
    else:
        text = unicodedata.normalize("NFC", _MARKS.sub("", unicodedata.normalize("NFD", text)))
        text = text.casefold().translate(_kana())
    return _SIGNS.sub(" ", text).strip() or text.strip()


@cache
def _kana() -> dict[int, str | None]:
    """Katakana to hiragana, small to large; the long vowel mark is dropped."""
    table: dict[int, str | None] = {
        code: _SMALL.get(chr(code - 0x60), chr(code - 0x60)) for code in range(ord("ァ"), ord("ヶ") + 1)
    }
    return table | {ord(small): large for small, large in _SMALL.items()} | {ord("ー"): None}


def kana_of(text: str) -> str | None:
    """Hiragana for a text that is Japanese in Latin letters altogether; None for any other."""
    words = re.sub(r"[\s'-]+", " ", text.casefold()).strip()
    if not re.fullmatch("[a-z ]+", words):
        return None
    words = re.sub(r"([kstcpgzdbfhmr])(?=\1)|t(?=ch)", "っ", words.replace("mb", "nb").replace("mp", "np"))
    kana, at = [], 0
    while at < len(words):
        if words[at] in "っ ":
            kana.append(words[at])
            at += 1
            continue
        size = next((size for size in (3, 2, 1) if words[at : at + size] in _syllables()), 0)
        if not size:
            return None
        kana.append(_syllables()[words[at : at + size]])
        at += size
    return "".join(kana)


@cache
def _syllables() -> dict[str, str]:
    table = {f"{start}{vowel}": kana for start, row in _ROWS.items() for vowel, kana in zip("aiueo", row, strict=True)}
    for start, kana in _GLIDES.items():
        table |= {f"{start}y{vowel}": f"{kana}{small}" for vowel, small in zip("auo", "ゃゅょ", strict=True)}
    for start, kana in (("sh", "し"), ("ch", "ち"), ("j", "じ")):
        table |= {f"{start}{vowel}": f"{kana}{small}" for vowel, small in zip("auo", "ゃゅょ", strict=True)}
    return table | _SINGLE
