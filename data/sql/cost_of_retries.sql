-- What second and later attempts cost, per analysis
SELECT
    analysis,
    count(DISTINCT fingerprint) AS answers_asked_for,
    sum(CASE WHEN attempt > 1 THEN 1 ELSE 0 END) AS attempts_again,
    sum(CASE WHEN attempt > 1 THEN 1.0 ELSE 0.0 END) / count(DISTINCT fingerprint) AS attempts_again_per_answer,
    sum(CASE WHEN attempt > 1 THEN cost_micro_usd ELSE 0 END) / 1e6 AS again_usd,
    sum(cost_micro_usd) / 1e6 AS all_usd
FROM requests
WHERE attempt > 0
GROUP BY analysis
ORDER BY again_usd DESC, analysis;
