-- Which readers' titles have answers, per demographic
-- A title with two demographics counts in both; shares are of the titles in the catalog, from 0 to 1.
SELECT
    coalesce(d.demographic, '(none given)') AS demographic,
    count(*) AS titles,
    avg(CASE WHEN c.primary_genre IS NOT NULL THEN 1.0 ELSE 0.0 END) AS with_genre,
    avg(CASE WHEN c.summary_en IS NOT NULL THEN 1.0 ELSE 0.0 END) AS with_summary,
    avg(CASE WHEN c.similar_titles IS NOT NULL THEN 1.0 ELSE 0.0 END) AS with_similar_titles,
    avg(CASE WHEN c.reading_level IS NOT NULL THEN 1.0 ELSE 0.0 END) AS with_reading_level
FROM enriched_catalog AS c
LEFT JOIN (SELECT manga_id, unnest(demographics) AS demographic FROM enriched_catalog) AS d ON d.manga_id = c.manga_id
GROUP BY 1
ORDER BY titles DESC, demographic;
