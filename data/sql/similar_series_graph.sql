-- The titles that most others are said to be like, and how often that is mutual
WITH edges AS (
    SELECT manga_id AS source_id, unnest(similar_titles) AS similar_title FROM enriched_catalog
),
named AS (
    SELECT source_id, similar_title.manga_id AS target_id, similar_title.score AS score FROM edges
)
SELECT
    n.target_id AS manga_id,
    min(c.title) AS title,
    count(*) AS named_by,
    avg(n.score) AS mean_score,
    avg(CASE WHEN back.source_id IS NOT NULL THEN 1.0 ELSE 0.0 END) AS mutual_share
FROM named AS n
LEFT JOIN named AS back ON back.source_id = n.target_id AND back.target_id = n.source_id
LEFT JOIN catalog AS c ON c.manga_id = n.target_id
GROUP BY n.target_id
ORDER BY named_by DESC, mean_score DESC, n.target_id
LIMIT 25;
