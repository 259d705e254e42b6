-- When the model's quota was the limit: share of calls it refused, by hour (UTC)
SELECT
    date_trunc('hour', started_at) AS hour,
    model_id,
    count(*) AS calls,
    sum(CASE WHEN error_class = 'throttled' THEN 1 ELSE 0 END) AS throttled,
    avg(CASE WHEN error_class = 'throttled' THEN 1.0 ELSE 0.0 END) AS throttled_share
FROM requests
WHERE attempt > 0
GROUP BY date_trunc('hour', started_at), model_id
ORDER BY hour DESC, model_id;
