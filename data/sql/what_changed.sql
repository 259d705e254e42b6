-- What changed in the enriched catalog, by day and column
SELECT
    "date",
    kind,
    field,
    count(DISTINCT manga_id) AS titles,
    count(DISTINCT dagster_run_id) AS runs,
    max(changed_at) AS last_changed_at
FROM enriched_changes
GROUP BY "date", kind, field
ORDER BY "date" DESC, titles DESC, field;
