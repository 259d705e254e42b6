-- How long answers take: p50, p95 and p99 in milliseconds
-- Of attempts that had a reply. Athena: approx_percentile(latency_ms, 0.95).
SELECT
    analysis,
    model_id,
    count(*) AS replies,
    quantile_cont(latency_ms, 0.50) AS p50_ms,
    quantile_cont(latency_ms, 0.95) AS p95_ms,
    quantile_cont(latency_ms, 0.99) AS p99_ms,
    max(latency_ms) AS slowest_ms
FROM requests
WHERE stop_reason IS NOT NULL AND lane = 'on_demand'
GROUP BY analysis, model_id
ORDER BY analysis, model_id;
