-- Everything that happened to one title, in order
-- $manga_id: id of the title, for example MNG-C4G0F4AW
SELECT happened_at, what, analysis, detail, cost_micro_usd
FROM (
    SELECT
        started_at AS happened_at,
        CASE WHEN attempt = 0 THEN 'decided without a call' ELSE 'asked' END AS what,
        analysis,
        concat_ws(', ', status, error_class, model_id, message) AS detail,
        cost_micro_usd
    FROM requests
    WHERE manga_id = $manga_id
    UNION ALL
    SELECT decided_at, 'outcome', analysis, concat_ws(', ', outcome, error_class, reason, via), NULL
    FROM outcomes
    WHERE manga_id = $manga_id
    UNION ALL
    SELECT completed_at, 'given to a partner', analysis, concat_ws(', ', outcome, partner_id, request_id), cost_micro_usd
    FROM partner_results
    WHERE manga_id = $manga_id
) AS story
ORDER BY happened_at, what, analysis, detail, cost_micro_usd;
