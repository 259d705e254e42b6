-- How long partners waited for answers, by day and queue: p50 and p95 in seconds, and where the time went
-- All rows of a request have the same times, so the first counts. Athena: approx_percentile(seconds, 0.95), to_unixtime().
WITH answered AS (
    SELECT
        "date",
        queue,
        epoch(completed_at) - epoch(accepted_at) AS seconds,
        epoch(claimed_at) - epoch(accepted_at) AS waiting,
        model_seconds
    FROM partner_results
    WHERE position = 0 AND accepted_at IS NOT NULL AND claimed_at IS NOT NULL
)
SELECT
    "date",
    queue,
    count(*) AS requests,
    quantile_cont(seconds, 0.50) AS p50_seconds,
    quantile_cont(seconds, 0.95) AS p95_seconds,
    quantile_cont(waiting, 0.95) AS waiting_p95_seconds,
    quantile_cont(model_seconds, 0.95) AS model_p95_seconds,
    quantile_cont(greatest(seconds - waiting - model_seconds, 0), 0.95) AS ours_p95_seconds
FROM answered
GROUP BY "date", queue
ORDER BY "date" DESC, queue;
