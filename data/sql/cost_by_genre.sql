-- What enriching a title of each genre has cost so far
-- Every request about a title counts, also those that brought no answer; titles without a genre are one line.
SELECT
    coalesce(c.primary_genre, '(no genre)') AS primary_genre,
    count(DISTINCT r.manga_id) AS titles,
    count(*) AS calls,
    sum(r.cost_micro_usd) / 1e6 AS cost_usd,
    sum(r.cost_micro_usd) / 1e6 / count(DISTINCT r.manga_id) AS cost_usd_per_title
FROM requests AS r
LEFT JOIN enriched_catalog AS c ON c.manga_id = r.manga_id
WHERE r.attempt > 0
GROUP BY 1
ORDER BY cost_usd DESC, primary_genre;
