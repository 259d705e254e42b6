"""How many tokens a text will be, without asking anyone.

Belongs here: the estimate by rules of thumb. Stays out: what real usage teaches (`domain/models/calibration.py`), money
(`domain/models/usage.py`).

Tokenizers differ: Japanese is 0.7 to 1.0 characters per token, English about 5 characters (the tokenizer of
Claude 4.7 and later makes about 30 % more tokens than the one before). The estimate leans to the high side,
within about a quarter, since an estimate that is too low overdraws a quota or a budget.
"""

import math

_TOKENS_PER_WIDE_CHARACTER = 1.25
CHARACTERS_PER_TOKEN = 4
_BYTES_BEYOND_FIRST = 2
"""A kana or kanji has three bytes in UTF-8, two more than ASCII."""


def estimate_tokens(text: str) -> int:
    """Tokens of `text`, from its lengths in characters and UTF-8 bytes alone (no loop over characters)."""
    characters = len(text)
    if text.isascii():
        return -(-characters // CHARACTERS_PER_TOKEN)
    extra_bytes = len(text.encode("utf-8", "surrogatepass")) - characters
    wide = extra_bytes / _BYTES_BEYOND_FIRST
    narrow = max(characters - wide, 0.0)
    return math.ceil(wide * _TOKENS_PER_WIDE_CHARACTER + narrow / CHARACTERS_PER_TOKEN)
