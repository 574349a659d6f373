SELECT category, AVG(CAST(closing AS DOUBLE))
FROM (
    SELECT a.id, a.category, MAX(b.price) AS closing
    FROM auction AS a INNER JOIN bid AS b ON a.id = b.auction
    WHERE b.date_time BETWEEN a.date_time AND a.expires
    GROUP BY a.id, a.category
)
GROUP BY category
