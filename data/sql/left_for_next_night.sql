-- What the next night will try again, and why
SELECT
    analysis,
    outcome,
    error_class,
    count(*) AS titles,
    min(decided_at) AS since
FROM outcomes
WHERE transient AND outcome <> 'succeeded'
GROUP BY analysis, outcome, error_class
ORDER BY titles DESC, analysis, error_class;
