"""How many tokens a text is, near enough for budgets and quotas, and the same on every machine.

Belongs here: the two rates and the overheads. Stays out: a real tokenizer; this server ships none.
Rates: about 0.8 Japanese characters per token and 4.5 characters of English. The overheads of tool use are
the provider's published ones.
"""

_MESSAGE_TOKENS = 4
_TOOLS_TOKENS = 346
_FORCED_TOOL_TOKENS = 313
_TOOL_USE_TOKENS = 24


def count_tokens(text: str) -> int:
    """Tokens of `text`, rounded up.

    UTF-8 spends one byte on an ASCII character and three on a Japanese one, so half of the surplus of bytes
    over characters is the number of wide characters. That takes no loop over the text.
    """
    characters = len(text)
    if text.isascii():
        return -(-characters * 2 // 9)
    surplus = len(text.encode("utf-8", "surrogatepass")) - characters
    wide = min(surplus // 2 + surplus % 2, characters)
    return -(-(wide * 45 + (characters - wide) * 8) // 36)


def framing_tokens(messages: int, has_tools: bool, forced: bool) -> int:
    """Input tokens that no text accounts for: message frames and the provider's own tool instructions."""
    tools = (_FORCED_TOOL_TOKENS if forced else _TOOLS_TOKENS) if has_tools else 0
    return messages * _MESSAGE_TOKENS + tools


def tool_use_tokens(name: str, input_json: str) -> int:
    """Output tokens of one tool call."""
    return _TOOL_USE_TOKENS + count_tokens(name) + count_tokens(input_json)


def longest_prefix(text: str, tokens: int) -> str:
    """The longest beginning of `text` that takes at most `tokens` tokens."""
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if count_tokens(text[:middle]) <= tokens:
            low = middle
        else:
            high = middle - 1
    return text[:low]
