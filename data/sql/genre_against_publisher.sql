-- How often the genre we found is among the publisher's own, whatever its case, spaces and hyphens
WITH publishers AS (
    SELECT
        manga_id,
        primary_genre,
        regexp_replace(lower(strip_accents(publisher_genre)), '[^\p{L}\p{N}]', '', 'g') AS theirs,
        regexp_replace(lower(primary_genre), '[^\p{L}\p{N}]', '', 'g') AS ours
    FROM (SELECT manga_id, primary_genre, unnest(publisher_genres) AS publisher_genre FROM enriched_catalog)
),
compared AS (
    SELECT manga_id, primary_genre, max(CASE WHEN theirs = ours THEN 1 ELSE 0 END) AS agrees
    FROM publishers
    WHERE primary_genre IS NOT NULL
    GROUP BY manga_id, primary_genre
)
SELECT primary_genre, count(*) AS titles, avg(agrees) AS agreement
FROM compared
GROUP BY primary_genre
ORDER BY titles DESC, primary_genre;
