-- The ten titles of a genre and reading level that are most like a title, with a one-line summary
-- $title: in words, a title or what one remembers of it, or its id
-- $genre: a genre they have (default: horror)
-- $level: their reading level, one of kids, teen, adult, mature (default: teen)
-- likeness: what the model named as similar counts most, then candidates, then what both share.
WITH found AS (
    SELECT unnest(CAST($title AS VARCHAR[])) AS manga_id, generate_subscripts(CAST($title AS VARCHAR[]), 1) AS place
),
meant AS (
    SELECT c.*, [each.genre FOR each IN c.genres] AS own_genres, [each.manga_id FOR each IN k.candidates] AS candidate_ids
    FROM found AS f
    JOIN enriched_catalog AS c ON c.manga_id = f.manga_id
    LEFT JOIN similar_candidates AS k ON k.manga_id = f.manga_id
    ORDER BY f.place
    LIMIT 1
),
compared AS (
    SELECT
        m.title AS is_like,
        c.manga_id,
        c.title,
        c.summary_en,
        coalesce([each.score FOR each IN m.similar_titles IF each.manga_id = c.manga_id][1], 0) AS named,
        coalesce([each.score FOR each IN c.similar_titles IF each.manga_id = m.manga_id][1], 0) AS names_it,
        CASE WHEN list_contains(m.candidate_ids, c.manga_id) THEN 0.5 ELSE 0 END AS candidate,
        coalesce(len(list_intersect(c.story_themes, m.story_themes)), 0)
        + coalesce(len(list_intersect(c.themes, m.themes)), 0)
        + coalesce(len(list_intersect(c.demographics, m.demographics)), 0)
        + coalesce(len(list_intersect([each.genre FOR each IN c.genres], m.own_genres)), 0) AS shared
    FROM enriched_catalog AS c, meant AS m
    WHERE c.manga_id <> m.manga_id
        AND c.reading_level = $level
        AND list_contains([each.genre FOR each IN c.genres], $genre)
)
SELECT
    is_like,
    manga_id,
    title,
    named + names_it + candidate + shared * 0.1 AS likeness,
    coalesce(nullif(regexp_extract(summary_en, '^.+?[.!?](?:\s|$)'), ''), summary_en) AS summary
FROM compared
WHERE named + names_it + candidate + shared > 0
ORDER BY likeness DESC, manga_id
LIMIT 10;
