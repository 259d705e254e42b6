-- Titles that left the catalog: when, why, and what they were
SELECT
    left_at,
    manga_id,
    title,
    reason,
    detail,
    last_row ->> 'primary_genre' AS primary_genre,
    dagster_run_id
FROM catalog_tombstones
ORDER BY left_at DESC, manga_id;
