-- What editors corrected, field by field: in how many titles, and of how many that have a value there
WITH corrected AS (
    SELECT unnest(corrected) AS field FROM enriched_catalog
),
filled AS (
    SELECT 'primary_genre' AS field, count(primary_genre) AS titles FROM enriched_catalog
    UNION ALL SELECT 'genres', count(genres) FROM enriched_catalog
    UNION ALL SELECT 'story_themes', count(story_themes) FROM enriched_catalog
    UNION ALL SELECT 'summary_en', count(summary_en) FROM enriched_catalog
    UNION ALL SELECT 'summary_ja', count(summary_ja) FROM enriched_catalog
    UNION ALL SELECT 'contains_spoilers', count(contains_spoilers) FROM enriched_catalog
    UNION ALL SELECT 'content_warnings', count(content_warnings) FROM enriched_catalog
    UNION ALL SELECT 'similar_titles', count(similar_titles) FROM enriched_catalog
    UNION ALL SELECT 'reading_level', count(reading_level) FROM enriched_catalog
    UNION ALL SELECT 'min_age', count(min_age) FROM enriched_catalog
)
SELECT
    c.field,
    count(*) AS corrected,
    min(f.titles) AS titles,
    CAST(count(*) AS DOUBLE) / nullif(min(f.titles), 0) AS share
FROM corrected AS c
LEFT JOIN filled AS f ON f.field = c.field
GROUP BY c.field
ORDER BY corrected DESC, c.field;
