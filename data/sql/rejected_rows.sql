-- Rows of the source that are no titles, by reason
SELECT
    reason,
    count(*) AS source_rows,
    min(row_number) AS first_row,
    min(raw_json) AS example
FROM catalog_rejects
GROUP BY reason
ORDER BY source_rows DESC, reason;
