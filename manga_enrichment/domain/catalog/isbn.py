"""ISBNs: what is one, and the one way to write it.

Belongs here: check digits and normal form. Stays out: what a field does with an invalid one.
"""

import re

_PREFIX = re.compile(r"\A\s*ISBN(?:-1[03])?\s*:?")
_SEPARATORS = re.compile(r"[\s\-‐‑–—−]")
_ISBN13 = re.compile(r"97[89][0-9]{10}\Z")
_ISBN10 = re.compile(r"[0-9]{9}[0-9Xx]\Z")


def isbn13(text: str) -> str | None:
    """13 digits without separators, None unless it is an ISBN with a correct check digit.

    An ISBN-10 is given as its ISBN-13. A leading "ISBN" is ignored.
    """
    digits = text if text.isdigit() else _SEPARATORS.sub("", _PREFIX.sub("", text, count=1))
    if _ISBN13.match(digits):
        return digits if isbn13_check_digit(digits[:12]) == digits[12] else None
    if _ISBN10.match(digits) and _isbn10_is_valid(digits):
        return f"978{digits[:9]}{isbn13_check_digit('978' + digits[:9])}"
    return None


def isbn13_check_digit(first_twelve: str) -> str:
    """The 13th digit: weights 1 and 3 in turn, modulo 10."""
    codes = first_twelve.encode()  # each is that of "0" and the digit, and 24 times that of "0" ends in 2
    return str((2 - sum(codes[::2]) - 3 * sum(codes[1::2])) % 10)


def _isbn10_is_valid(digits: str) -> bool:
    values = (10 if digit in "Xx" else int(digit) for digit in digits)
    return sum(value * (10 - place) for place, value in enumerate(values)) % 11 == 0
