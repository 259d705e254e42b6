"""How many tokens a whole prompt will be.

Belongs here: what is sent beside the texts. Stays out: the estimate of one text (`tokens.py`).
"""

import json

from manga_enrichment.domain.prompts.prompt import Prompt
from manga_enrichment.domain.prompts.tokens import estimate_tokens

TOOL_USE_TOKENS = 330
"""The provider's own system text for tool use; published as 313 to 346 tokens for Claude 4."""


def estimate_prompt(prompt: Prompt) -> int:
    """Tokens of everything that is sent with this prompt: system, user, tool and its schema."""
    schema = json.dumps(prompt.tool_schema, separators=(",", ":"), ensure_ascii=False)
    texts = (prompt.system, prompt.user, prompt.tool_description, schema)
    return TOOL_USE_TOKENS + sum(estimate_tokens(text) for text in texts)
