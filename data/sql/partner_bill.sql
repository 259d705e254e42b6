-- The bill of each partner by month: requests, items, what they cost
-- "date" is the UTC day of submission. An answer that was there before costs nothing and is in reused_items.
SELECT
    partner_id,
    substr("date", 1, 7) AS month,
    count(DISTINCT request_id) AS requests,
    count(*) AS items,
    sum(CASE WHEN outcome = 'succeeded' THEN 1 ELSE 0 END) AS answered_items,
    sum(CASE WHEN from_cache THEN 1 ELSE 0 END) AS reused_items,
    sum(cost_micro_usd) / 1e6 AS cost_usd
FROM partner_results
GROUP BY partner_id, substr("date", 1, 7)
ORDER BY month DESC, cost_usd DESC, partner_id;
