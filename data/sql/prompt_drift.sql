-- What changed from one prompt version or model to the next, for reading levels
-- Shares are of the titles that a version answered; a version that moves titles from teen to adult shows here.
SELECT
    prompt_version,
    model_id,
    count(*) AS titles,
    avg(min_age) AS mean_min_age,
    avg(reading_level_confidence) AS mean_confidence,
    avg(CASE WHEN reading_level = 'kids' THEN 1.0 ELSE 0.0 END) AS kids,
    avg(CASE WHEN reading_level = 'teen' THEN 1.0 ELSE 0.0 END) AS teen,
    avg(CASE WHEN reading_level = 'adult' THEN 1.0 ELSE 0.0 END) AS adult,
    avg(CASE WHEN reading_level = 'mature' THEN 1.0 ELSE 0.0 END) AS mature
FROM reading_level
GROUP BY prompt_version, model_id
ORDER BY prompt_version, model_id;
