"""Model requests as a run makes them, for a fictional title with everything an analysis may want."""

from manga_enrichment.domain.analyses.base import AnalysisType, Candidate, TitleInputs
from manga_enrichment.domain.catalog.records import MangaRecord
from manga_enrichment.domain.models.guardrails import Guardrail
from manga_enrichment.domain.models.loading import load_models
from manga_enrichment.domain.models.specs import ModelSpec
from manga_enrichment.domain.prompts.conversations import Turn, conversation_prompt
from manga_enrichment.domain.prompts.prompt import build_prompt, title_inputs
from manga_enrichment.gateways.model import ModelCall, Repair
from manga_enrichment_tests.analyses import FOR_PARTNERS

RECORD = MangaRecord(
    manga_id="MNG-HARB0001",
    title="The Harbour Lamp Shop",
    title_ja="港のランプ店",
    synopsis=(
        "祖母が遺した港町のランプ店を継いだ高校生の澪は、壊れた灯りを直すたびに持ち主の思い出に触れる。"
        "幼なじみの漁師見習いと店を守りながら、二人は町の灯台が消えた夜の秘密を少しずつ知っていく。"
    ),
    publisher_genres=("ドラマ", "日常"),
    demographics=("seinen",),
    magazines=("月刊みなと",),
)
CANDIDATES = tuple(
    Candidate(f"MNG-CAND000{number}", title, "drama; harbour town")
    for number, title in enumerate(("Lighthouse Days", "灯りの町", "Fishing with Grandmother", "Night Ferry"))
)


def model(name: str = "haiku") -> ModelSpec:
    return load_models().resolve(name)


def inputs(analysis: AnalysisType) -> TitleInputs:
    return title_inputs(analysis, RECORD, CANDIDATES)


def make_request(
    analysis: str = "genre_classification",
    spec: ModelSpec | None = None,
    *,
    max_tokens: int | None = None,
    repair: Repair | None = None,
    cache_prefix: bool = False,
) -> ModelCall:
    spec = spec or model()
    kind = FOR_PARTNERS[analysis]
    prompt = build_prompt(kind, inputs(kind), spec)
    return ModelCall(spec, prompt, max_tokens or prompt.max_tokens, repair, cache_prefix)


GUARDRAIL = Guardrail("gr1", "7", load_models().guardrail_prices)


def guarded_request(
    alias: str = "haiku", *, question: str = "Is there one about tea?", repair: Repair | None = None
) -> ModelCall:
    """The second question of a conversation that is shown a title of the catalog, and passes a guardrail."""
    spec = load_models().resolve(alias)
    history = [Turn("user", "An earlier question"), Turn("assistant", "An earlier reply")]
    titles = [Candidate("MNG-TEAHOUSE", "Tea at the Edge", "a quiet story")]
    body = {"query": question, "max_tokens": 512}
    prompt = conversation_prompt("manga_query", body, history, spec, titles)
    return ModelCall(spec, prompt, prompt.max_tokens, repair, guardrail=GUARDRAIL)
