-- What each day cost, by who asked for it
-- Days are UTC days on which runs began, as budgets count them. services_usd: SQS, API and workflow, estimated, beside it.
SELECT
    "date",
    "trigger",
    coalesce(partner_id, '') AS partner_id,
    count(DISTINCT dagster_run_id) AS runs,
    sum(calls) AS calls,
    sum(answered) AS answered,
    sum(cost_micro_usd) / 1e6 AS cost_usd,
    sum(wasted_micro_usd) / 1e6 AS wasted_usd,
    sum(sqs_estimate_micro_usd + api_estimate_micro_usd + workflow_estimate_micro_usd) / 1e6 AS services_usd
FROM enrichment_costs
GROUP BY "date", "trigger", coalesce(partner_id, '')
ORDER BY "date" DESC, cost_usd DESC, "trigger";
