"""Which characters no text from outside holds, and which texts say nothing.

Belongs here: the classes of characters, taking them out, what is blank. Stays out: what becomes of a text that breaks
the rule. Catalog text and answers of models lose such characters (`domain/catalog/text.py`,
`domain/analyses/validation.py`); input of partners, who can mend it, is refused with the place
(`domain/requests/reading/text_checks.py`).

What no text holds, and why:
- control characters except tab and line ends, lone surrogates, noncharacters: no editor produces them, UTF-8, XML or
  a terminal cannot carry them;
- embeddings, overrides and isolates of text direction: a person reads another text than the model;
- hidden text: tag characters (other than the flags of England, Scotland and Wales) and runs of variation selectors
  spell out instructions that nobody sees. A single selector stays, names of people need it.
Characters without a shape (zero-width spaces, soft hyphens, fillers) come with text from web pages: they are taken out
as well, but a partner is only warned. A joiner stays where it joins, in emoji and in Persian.
"""

import re


def _as_tags(text: str) -> str:
    return "".join(chr(0xE0000 + ord(letter)) for letter in text)


_PLANE_ENDS = "".join(f"{chr(plane * 0x10000 + 0xFFFE)}{chr(plane * 0x10000 + 0xFFFF)}" for plane in range(17))

# Members of character classes in a regular expression.
CONTROLS = "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f"
SURROGATES = "\ud800-\udfff"
NONCHARACTERS = f"\ufdd0-\ufdef{_PLANE_ENDS}"
BIDI_CONTROLS = "\u202a-\u202e\u2066-\u2069"
TAGS = "\U000e0000-\U000e007f"
SELECTORS = "\ufe00-\ufe0f\U000e0100-\U000e01ef"
JOINERS = "\u200c\u200d"
SHAPELESS = (
    "\u00ad\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f\u2060-\u2065\u206a-\u206f\u3164\ufeff\uffa0"
    "\ufff9-\ufffb\U0001d173-\U0001d17a"
)
_NEVER = f"{CONTROLS}{SURROGATES}{NONCHARACTERS}{BIDI_CONTROLS}{SHAPELESS}"

FLAG = re.compile("|".join(f"\U0001f3f4{_as_tags(region)}\U000e007f" for region in ("gbeng", "gbsct", "gbwls")))

HONEST = (
    "\u00a1-\u00ac\u00ae-\u03ff\u1e00-\u1fff\u2010-\u2027\u2030-\u205e\u2070-\u27ff\u2e80-\u2fff\u3001-\u3163"
    "\u3165-\u9fff\uac00-\ud7a3\uf900-\ufaff\uff01-\uff9f\uffe0-\uffee\U0001f000-\U0001faff\U00020000-\U0002fa1f"
)
"""No white space and no ASCII among them."""
SUSPECT = re.compile(f"[^\t\n\r -~\u00a0\u3000{HONEST}]")
"""What is not among the characters that no rule is about, nearly all of honest text, gets a closer look. With it a
Japanese text takes nanoseconds per character instead of hundreds."""

_LINE_END = re.compile("\r\n?|[\v\f\x1c-\x1e\x85\u2028\u2029]")
_TAKEN_OUT = re.compile(f"({FLAG.pattern})|[{_NEVER}{TAGS}]")
_RUN = re.compile(f"[{SELECTORS}{JOINERS}]{{2,}}")
_VISIBLE = re.compile(rf"[^\s{_NEVER}{JOINERS}{SELECTORS}{TAGS}\u2800]")


def is_blank(text: str) -> bool:
    """Whether nothing in the text can be seen; True for an empty one."""
    return _VISIBLE.search(text) is None


def is_readable(text: str) -> bool:
    """Whether `readable` returns the text as it is, and something of it can be seen."""
    if SUSPECT.search(text) is None and "\r" not in text:
        return bool(text.strip())
    return readable(text) == text and not is_blank(text)


def readable(text: str) -> str:
    """The text without what no text holds and what has no shape; line ends of any kind as \\n.

    Doing it twice changes nothing.
    """
    if text.isascii() and text.isprintable():
        return text
    if "\r" not in text and SUSPECT.search(text) is None:
        return text
    taken_out = _TAKEN_OUT.sub(lambda found: found[1] or "", _LINE_END.sub("\n", text))
    return _RUN.sub(_joint, taken_out)


def _joint(run: re.Match[str]) -> str:
    """A selector and one joiner after it stay, as in the heart on fire; any other run of the two may spell a text."""
    text = run[0]
    return text if len(text) == 2 and text[1] in JOINERS and text[0] not in JOINERS else ""
