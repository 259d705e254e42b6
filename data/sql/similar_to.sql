-- What is said to be like a title that one half remembers, with genre, level and the reason
-- $title: in words, a title or what one remembers of it (`manga-enrichment find`), or its id
WITH found AS (
    SELECT unnest(CAST($title AS VARCHAR[])) AS manga_id, generate_subscripts(CAST($title AS VARCHAR[]), 1) AS place
),
meant AS (
    SELECT f.manga_id, s.similar_titles
    FROM found AS f
    JOIN enriched_catalog AS s ON s.manga_id = f.manga_id AND s.similar_titles IS NOT NULL
    ORDER BY f.place
    LIMIT 1
),
named AS (
    SELECT manga_id AS meant_id, unnest(similar_titles) AS similar_title FROM meant
)
SELECT
    asked.title AS is_like,
    n.similar_title.manga_id AS manga_id,
    c.title,
    c.primary_genre,
    c.reading_level,
    n.similar_title.score AS score,
    n.similar_title.reason AS reason
FROM named AS n
LEFT JOIN enriched_catalog AS c ON c.manga_id = n.similar_title.manga_id
LEFT JOIN enriched_catalog AS asked ON asked.manga_id = n.meant_id
ORDER BY score DESC, manga_id;
