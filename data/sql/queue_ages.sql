-- How long messages waited and how full the queues were, by day
-- An age is unknown where SQS did not tell; such looks are counted, not guessed.
SELECT
    "date",
    queue,
    count(*) AS looks,
    max(visible) AS most_visible,
    max(in_flight) AS most_in_flight,
    max(oldest_age_seconds) AS oldest_seconds,
    sum(CASE WHEN oldest_age_source = 'unknown' THEN 1 ELSE 0 END) AS looks_with_unknown_age
FROM queue_observations
GROUP BY "date", queue
ORDER BY "date" DESC, oldest_seconds DESC, queue;
