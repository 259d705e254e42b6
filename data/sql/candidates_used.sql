-- How good the candidate lists are: how many candidates the model named as similar
SELECT
    count(*) AS titles,
    avg(len(k.candidates)) AS candidates,
    avg(len(s.similar_titles)) AS named,
    sum(len(s.similar_titles)) * 1.0 / nullif(sum(len(k.candidates)), 0) AS named_share,
    sum(CASE WHEN len(s.similar_titles) = 0 THEN 1 ELSE 0 END) AS titles_without_any
FROM similar_series AS s
JOIN similar_candidates AS k ON k.manga_id = s.manga_id;
