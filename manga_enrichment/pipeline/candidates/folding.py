"""Text as it is compared: width, case, kana, accents and signs make no difference.

Belongs here: folding. Stays out: what is cut from folded text (`terms.py`).
"""

import re
import unicodedata
from functools import cache

_SIGNS = re.compile(r"[\W_]+")
_MARKS = re.compile("[\u0300-\u036f]")
_SMALL = dict(zip("ぁぃぅぇぉっゃゅょゎゕゖ", "あいうえおつやゆよわかけ", strict=True))


def folded(text: str) -> str:
    """Lower-case words with single spaces between them; katakana as hiragana, without long vowel marks."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
        if not text.isascii():
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
