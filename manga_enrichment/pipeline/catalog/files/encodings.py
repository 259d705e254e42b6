"""Which encoding a text is in, and the text in UTF-8.

Belongs here: detection on a sample, transcoding of a stream. Stays out: rows.

A file in UTF-8 with a few bad bytes is one in UTF-8 whose bad rows are rejected: another encoding needs several lines
that speak for it. Where the sample is plain ASCII and the rest is not, bad rows are many and the import is refused.
"""

import codecs
import io
import re
from typing import Any, BinaryIO, cast

from charset_normalizer import from_bytes

from manga_enrichment.domain.errors import ConfigurationError

ENCODING_SETTING = "MANGA_CATALOG_ENCODING"
SAMPLE_BYTES = 1024 * 1024
UTF_8 = "utf-8"
_MARKS = ((codecs.BOM_UTF8, UTF_8), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_CANDIDATES = ("euc_jp", "cp932", "cp949", "gb18030", "big5", "cp1252", "cp1251")
"""In the order in which they are tried where the library cannot tell: text in one of the first is hardly ever valid in
an earlier one."""
_JAPANESE = ("euc_jp", "cp932")
_KANA = re.compile("[\u3041-\u30fe]")
_SOME_KANA = 0.02
_LEAST_LINES = 3
_JUDGED_BYTES = 64 * 1024
_PIECE_CHARACTERS = 256 * 1024


def known_encoding(name: str) -> str:
    """Python's name of it. Raises ConfigurationError."""
    try:
        return codecs.lookup(name).name
    except LookupError:
        raise ConfigurationError(
            f"{ENCODING_SETTING}={name} is no encoding: for example utf-8, cp932, euc_jp, utf-16, or unset to find out"
        ) from None


def detect_encoding(sample: bytes) -> str:
    """The encoding of a text that begins with `sample`."""
    for mark, encoding in _MARKS:
        if sample.startswith(mark):
            return encoding
    if len(sample) >= 4 and sample.count(0) > len(sample) // 4:
        return "utf-16-le" if sample[1::2].count(0) > sample[::2].count(0) else "utf-16-be"
    # No encoding here has a line end inside a character, so whole lines hold whole characters.
    whole = sample[: sample.rfind(b"\n") + 1] or sample
    lines = [line for line in whole.split(b"\n") if not line.isascii()]
    foreign = [line for line in lines if not _decodes(line, UTF_8)]
    if len(foreign) < _LEAST_LINES or 2 * len(foreign) <= len(lines):
        return UTF_8
    judged = b"\n".join(foreign)
    judged = judged[: judged.rfind(b"\n", 0, _JUDGED_BYTES) + 1] or judged
    japanese = max(_JAPANESE, key=lambda encoding: _share_of_kana(judged, encoding))
    if _share_of_kana(judged, japanese) > _SOME_KANA:
        return japanese
    best = from_bytes(judged, cp_isolation=list(_CANDIDATES)).best()
    if best is not None:
        return best.encoding
    return next((encoding for encoding in _CANDIDATES if _decodes(judged, encoding)), UTF_8)


def _share_of_kana(text: bytes, encoding: str) -> float:
    """What no Chinese or Korean text has, and no Japanese one lacks: the library takes short ones for Chinese."""
    try:
        decoded = text.decode(encoding)
    except UnicodeDecodeError:
        return 0.0
    return len(_KANA.findall(decoded)) / len(decoded)


def _decodes(text: bytes, encoding: str) -> bool:
    try:
        text.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def as_utf_8(stream: BinaryIO, encoding: str) -> BinaryIO:
    """The same text in UTF-8; bytes that are none in `encoding` stay as they are and reject their row."""
    if encoding == UTF_8:
        return stream
    errors = "replace" if encoding.startswith("utf-16") else "surrogateescape"
    text = io.TextIOWrapper(stream, encoding, errors, newline="")
    return cast("BinaryIO", io.BufferedReader(_Recoded(text), _PIECE_CHARACTERS))


class _Recoded(io.RawIOBase):
    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text = text
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        view = memoryview(buffer)
        if not self._rest:
            self._rest = self._text.read(_PIECE_CHARACTERS).encode(UTF_8, "surrogateescape")
        piece, self._rest = self._rest[: len(view)], self._rest[len(view) :]
        view[: len(piece)] = piece
        return len(piece)

    def close(self) -> None:
        self._text.close()
        super().close()
