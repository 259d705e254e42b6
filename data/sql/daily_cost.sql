-- What each day cost, by who asked for it
-- Days are UTC days on which runs began, as budgets count them.
SELECT
    "date",
    "trigger",
    coalesce(partner_id, '') AS partner_id,
    count(DISTINCT dagster_run_id) AS runs,
    sum(calls) AS calls,
    sum(answered) AS answered,
    sum(cost_micro_usd) / 1e6 AS cost_usd,
    sum(wasted_micro_usd) / 1e6 AS wasted_usd
FROM enrichment_costs
GROUP BY "date", "trigger", coalesce(partner_id, '')
ORDER BY "date" DESC, cost_usd DESC, "trigger";
