-- How old the answers are, per analysis, model and prompt version
WITH answers AS (
    SELECT 'genre_classification' AS analysis, model_id, prompt_version, answered_at FROM genre_classification
    UNION ALL SELECT 'content_summary', model_id, prompt_version, answered_at FROM content_summary
    UNION ALL SELECT 'similar_series', model_id, prompt_version, answered_at FROM similar_series
    UNION ALL SELECT 'reading_level', model_id, prompt_version, answered_at FROM reading_level
)
SELECT
    analysis,
    model_id,
    prompt_version,
    count(*) AS titles,
    min(answered_at) AS oldest,
    max(answered_at) AS newest,
    date_diff('day', min(answered_at), max(answered_at)) AS days_between
FROM answers
GROUP BY analysis, model_id, prompt_version
ORDER BY analysis, newest DESC;
