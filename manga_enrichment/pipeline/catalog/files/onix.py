"""ONIX 3.0, with reference names or short tags, product by product; other XML by the name of a row's element.

Belongs here: XML as nested values under reference names. Stays out: which of them is which field (the preset `onix3`).

Each product becomes an object: elements by reference name, repeated ones as lists, the text of an element that has
nothing else, attributes as "@name". Names of HTML characters such as &nbsp; are replaced before the parser sees them,
since it would stop at them or leave them out, according to the file's DOCTYPE.
"""

import html.entities
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, cast
from xml.etree.ElementTree import Element, ParseError, XMLPullParser, tostring

from manga_enrichment.domain.catalog.rows import raw_json
from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.pipeline.catalog.files.onix_tags import REFERENCE_NAMES
from manga_enrichment.pipeline.catalog.files.opening import open_bytes
from manga_enrichment.pipeline.catalog.files.rows import Reading, Rows, SourceRow

_PIECE_BYTES = 256 * 1024
_ENTITY = re.compile(rb"&([A-Za-z][A-Za-z0-9]{1,31});")
_HALF_AN_ENTITY = re.compile(rb"&[A-Za-z0-9#]{0,32}\Z")
_OF_XML = frozenset({"amp", "lt", "gt", "quot", "apos"})
_PRODUCT = "Product"
_WITH_MARKUP = "Text"
_DEEPEST = 40


def onix_rows(path: Path, reading: Reading) -> Rows:
    """Raises ConfigurationError where the file is no whole XML."""
    record = reading.mapping.rows_path or _PRODUCT
    try:
        with open_bytes(path) as stream:
            names = REFERENCE_NAMES if record == _PRODUCT else {}
            for number, element in enumerate(_elements(stream, record, names), 1):
                values = _value(element, names)
                yield SourceRow(number, values, raw_json(values).encode())
    except ParseError as error:
        raise ConfigurationError(f"MANGA_CATALOG_URI names a file that is no whole XML ({error})") from error


def _elements(stream: BinaryIO, record: str, names: Mapping[str, str]) -> Iterator[Element]:
    """Rows as they end. External entities are never fetched, and expat bounds what internal ones grow to."""
    parser: XMLPullParser[Element] = XMLPullParser(["start", "end"])
    depth = 0
    root: Element | None = None
    for piece in _pieces(stream):
        if piece:
            parser.feed(piece)
        else:
            parser.close()
        for event, element in cast("Iterator[tuple[str, Element]]", parser.read_events()):
            if event == "start":
                depth += 1
                root = element if root is None else root
                if depth > _DEEPEST:
                    raise ParseError("nested too deeply")
                continue
            depth -= 1
            if _name(element, names) == record:
                yield element
                if root is not None:
                    root.clear()  # what has been read need not be held


def _pieces(stream: BinaryIO) -> Iterator[bytes]:
    """The text in pieces, the last of them empty."""
    rest = b""
    while piece := stream.read(_PIECE_BYTES):
        piece = rest + piece
        half = _HALF_AN_ENTITY.search(piece)
        rest = half[0] if half else b""
        yield _ENTITY.sub(_character, piece[: len(piece) - len(rest)]) or b" "
    if rest:
        yield rest
    yield b""


def _character(found: re.Match[bytes]) -> bytes:
    name = found[1].decode()
    text = html.entities.html5.get(f"{name};")
    if text is None or name in _OF_XML:
        return found[0]
    return "".join(f"&#{ord(char)};" for char in text).encode()


def _name(element: Element, names: Mapping[str, str]) -> str:
    name = element.tag.rpartition("}")[2]
    return names.get(name, name)


def _value(element: Element, names: Mapping[str, str]) -> Any:
    name = _name(element, names)
    if name == _WITH_MARKUP or (len(element) == 0 and not element.attrib):
        return _text(element)
    values: dict[str, Any] = {f"@{key.rpartition('}')[2]}": value for key, value in element.attrib.items()}
    if len(element) == 0:
        return {**values, "value": _text(element)} if values else _text(element)
    for child in element:
        key, value = _name(child, names), _value(child, names)
        if key in values:
            values[key] = [*values[key], value] if isinstance(values[key], list) else [values[key], value]
        else:
            values[key] = value
    return values


def _text(element: Element) -> str:
    """Text with its markup, which cleaning takes off."""
    inner = "".join(tostring(child, encoding="unicode") for child in element)
    return f"{element.text or ''}{inner}".strip()
