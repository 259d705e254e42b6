-- What failed, how often, and what was paid for no answer
-- A wasted micro-dollar is one that an attempt cost which brought no answer, though a later attempt may have.
SELECT
    analysis,
    error_class,
    count(*) AS attempts,
    count(DISTINCT manga_id) AS titles,
    sum(CASE WHEN status = 'failed' THEN 1 ELSE 0 END) AS titles_that_ended_so,
    sum(cost_micro_usd) / 1e6 AS wasted_usd,
    min(message) AS example
FROM requests
WHERE attempt > 0 AND error_class IS NOT NULL
GROUP BY analysis, error_class
ORDER BY wasted_usd DESC, attempts DESC, analysis, error_class;
