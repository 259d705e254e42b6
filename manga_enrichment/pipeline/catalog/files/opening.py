"""A catalog file as a stream: decompressed, text in UTF-8.

Belongs here: gzip and Zstandard by extension, the encoding of a text. Stays out: rows.

Zstandard is read by pyarrow, which goes on after the first frame and raises on a cut one.
"""

import gzip
import io
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import pyarrow as pa

from manga_enrichment.pipeline.catalog.files.encodings import SAMPLE_BYTES, as_utf_8, detect_encoding, known_encoding
from manga_enrichment.pipeline.catalog.files.rows import Reading

COMPRESSIONS = (".gz", ".zst")
_BUFFER_BYTES = 1024 * 1024


def kind_of(path: Path) -> str:
    """The extension that tells the kind of file, in small letters: ".csv" of "a.CSV.gz"."""
    suffixes = [suffix.lower() for suffix in path.suffixes[-2:]]
    if suffixes and suffixes[-1] in COMPRESSIONS:
        suffixes.pop()
    else:
        suffixes = suffixes[-1:]
    return suffixes[-1] if suffixes else ""


@contextmanager
def open_bytes(path: Path) -> Iterator[BinaryIO]:
    """The file, decompressed. It can only be read on."""
    suffix = path.suffix.lower()
    with path.open("rb") as file:
        if suffix == ".gz":
            stream = cast("io.RawIOBase", gzip.GzipFile(fileobj=file))
        elif suffix == ".zst":
            stream = cast("io.RawIOBase", pa.CompressedInputStream(pa.PythonFile(file, "r"), "zstd"))
        else:
            stream = cast("io.RawIOBase", file)
        with io.BufferedReader(stream, _BUFFER_BYTES) as buffered:
            yield cast("BinaryIO", buffered)


@contextmanager
def open_seekable(path: Path) -> Iterator[BinaryIO]:
    """For readers that look at a file's end first: decompressed to the disk where that is needed."""
    if path.suffix.lower() not in COMPRESSIONS:
        with path.open("rb") as file:
            yield file
        return
    with open_bytes(path) as stream, tempfile.TemporaryFile() as file:
        shutil.copyfileobj(stream, file, _BUFFER_BYTES)
        file.seek(0)
        yield cast("BinaryIO", file)


@contextmanager
def open_utf_8(path: Path, reading: Reading) -> Iterator[BinaryIO]:
    """A text in UTF-8, its byte order mark taken off; what its encoding was is said unless it was UTF-8."""
    encoding = known_encoding(reading.encoding) if reading.encoding else _encoding_of(path)
    if encoding != "utf-8":
        reading.say(f"{path.name} is read as {encoding}")
    with open_bytes(path) as stream:
        text = as_utf_8(stream, encoding)
        if text.peek(3)[:3] == b"\xef\xbb\xbf":  # type: ignore[attr-defined]
            text.read(3)
        yield text


def _encoding_of(path: Path) -> str:
    with open_bytes(path) as stream:
        return detect_encoding(stream.read(SAMPLE_BYTES))
