-- Where synopses are missing: titles that could not be asked about, by publisher
-- Getting texts from the first few publishers helps most.
SELECT
    coalesce(c.publisher, '(no publisher)') AS publisher,
    count(DISTINCT o.manga_id) AS titles_without_enough_text,
    count(DISTINCT CASE WHEN c.synopsis IS NULL THEN o.manga_id END) AS of_them_without_synopsis
FROM outcomes AS o
JOIN catalog AS c ON c.manga_id = o.manga_id
WHERE o.outcome = 'insufficient_input'
GROUP BY 1
ORDER BY titles_without_enough_text DESC, publisher
LIMIT 25;
