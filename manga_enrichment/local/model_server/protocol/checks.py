"""What a model accepts: known id, capabilities, limits, a conversation that holds together.

Belongs here: every reason to refuse a well-formed request. Stays out: JSON shapes (`validation.py`).
A stand-in that is more lenient than the service hides bugs until the first paid run, so it is not.
"""

from collections.abc import Sequence

from manga_enrichment.domain.models.specs import AnswersBy, ModelCatalog, ModelSpec, UnknownModelError
from manga_enrichment.local.model_server.protocol.model_request import ModelRequest, Turn
from manga_enrichment.local.model_server.protocol.validation import invalid


def find_model(models: ModelCatalog, model_id: str) -> ModelSpec:
    """The model behind an id or the ARN of an inference profile. Raises ServiceError (ValidationException)."""
    name = model_id.rpartition("/")[2] if model_id.startswith("arn:") else model_id
    try:
        return models.by_id(name)
    except UnknownModelError as error:
        raise invalid(f"The provided model identifier is invalid: {name[:200]!r}.") from error


def check_request(spec: ModelSpec, request: ModelRequest) -> None:
    """Raises ServiceError (ValidationException) when `spec` would not take `request`."""
    if request.sampling and not spec.takes_temperature:
        raise invalid(f"{spec.model_id} takes no sampling parameters; remove {', '.join(request.sampling)}")
    _check_way_to_answer(spec, request)
    if request.service_tier and request.service_tier not in spec.price.tiers:
        raise invalid(f"The service tier {request.service_tier} is not supported for this model: {spec.model_id}")
    if request.max_tokens is not None and request.max_tokens > spec.max_output_tokens:
        raise invalid(
            f"The maximum tokens you requested exceeds the model limit of {spec.max_output_tokens}. "
            "Try again with a maximum tokens value that is lower."
        )
    if request.forced_tool is not None and request.forced_tool not in {tool.name for tool in request.tools}:
        raise invalid(f"The tool choice names {request.forced_tool!r}, which is not among the tools")
    check_conversation(request.turns, has_tools=bool(request.tools))
    if request.input_tokens > spec.max_input_tokens:
        raise invalid(f"Input is too long for requested model: {request.input_tokens} tokens")
    if request.input_tokens > spec.price_holds_up_to_input_tokens:
        raise invalid(
            f"The offline server has no price for a prompt of {request.input_tokens} tokens to {spec.model_id}: "
            f"the known one holds up to {spec.price_holds_up_to_input_tokens}"
        )


def _check_way_to_answer(spec: ModelSpec, request: ModelRequest) -> None:
    """What forces a tool is told apart as the service does; a schema of the text is for those that take one."""
    if request.tools and not spec.answers_by_tool:
        raise invalid(f"This model doesn't support tool use: {spec.model_id}")
    forced = {AnswersBy.FORCED_TOOL: {"any", "tool"}, AnswersBy.ANY_TOOL: {"any"}}.get(spec.answers_by, set())
    if request.tool_choice in {"any", "tool"} - forced:
        other = "any" if forced else "auto"
        raise invalid(f"{spec.model_id} does not take a tool choice that forces tool use; use {other}")
    if not spec.strict_tool and any(tool.strict for tool in request.tools):
        raise invalid(f"This model doesn't support the strict field in toolSpec: {spec.model_id}")
    takes_schema = spec.answers_by is AnswersBy.TEXT_SCHEMA or spec.family == "anthropic"
    if request.answer_schema is not None and not takes_schema:
        raise invalid(f"This model doesn't support structured output: {spec.model_id}")


def check_conversation(turns: Sequence[Turn], *, has_tools: bool) -> None:
    """Raises ServiceError (ValidationException) unless users and assistant take turns and tools are answered."""
    if not turns:
        raise invalid("messages must have at least 1 message")
    for index, turn in enumerate(turns):
        if turn.role != ("assistant" if index % 2 else "user"):
            raise invalid(
                "A conversation must start with a user message and alternate between user and assistant roles; "
                f"messages.{index} does not"
            )
        if not turn.text and not turn.tool_results:
            raise invalid(f"The content field at messages.{index} is empty")
        _check_tool_results(index, turn, turns[index - 1].tool_uses if index else ())
    if turns[-1].role != "user":
        raise invalid("The conversation must end with a user message; there is no prefill")
    if not has_tools and any(turn.tool_uses or turn.tool_results for turn in turns):
        raise invalid("The tools must be defined when using tool use and tool result content blocks")


def _check_tool_results(index: int, turn: Turn, asked: tuple[str, ...]) -> None:
    if missing := set(asked) - set(turn.tool_results):
        raise invalid(f"Expected tool result blocks at messages.{index}.content for the Ids: {min(missing)}")
    if surplus := set(turn.tool_results) - set(asked):
        raise invalid(f"messages.{index}.content has a tool result for an Id that was not used: {min(surplus)}")
