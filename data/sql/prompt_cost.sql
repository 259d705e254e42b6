-- Tokens and cost of an answer per prompt version and model
SELECT
    analysis,
    prompt_version,
    model_id,
    count(DISTINCT fingerprint) AS answers,
    sum(input_tokens + cache_read_tokens + cache_write_tokens) * 1.0 / count(DISTINCT fingerprint) AS input_tokens,
    sum(output_tokens) * 1.0 / count(DISTINCT fingerprint) AS output_tokens,
    sum(cost_micro_usd) / 1e6 / count(DISTINCT fingerprint) AS cost_usd_per_answer
FROM requests
WHERE attempt > 0
GROUP BY analysis, prompt_version, model_id
ORDER BY analysis, prompt_version, model_id;
