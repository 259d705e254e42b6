"""What a trial found, under the bucket: a page for people, JSON for programs."""

from manga_enrichment.domain.trials.report import TrialReport
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.store.object_keys import trial_key
from manga_enrichment.pipeline.trials.page import trial_html

PAGE, FIGURES = "trial.html", "trial.json"


def keep_report(tables: ObjectStore, report: TrialReport) -> str:
    """Put both in the place of what an earlier try left; the page's URI."""
    key = trial_key(report.trial_id, PAGE)
    tables.write_text(key, trial_html(report), content_type="text/html")
    tables.write_json(trial_key(report.trial_id, FIGURES), report.as_dict())
    return tables.uri(key)
