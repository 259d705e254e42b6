-- Reading levels that do not fit the publisher's content rating
SELECT
    content_rating,
    reading_level,
    count(*) AS titles,
    avg(min_age) AS mean_min_age,
    avg(reading_level_confidence) AS mean_confidence,
    min(title) AS example
FROM enriched_catalog
WHERE content_rating IS NOT NULL AND reading_level IS NOT NULL
GROUP BY content_rating, reading_level
ORDER BY content_rating, titles DESC, reading_level;
