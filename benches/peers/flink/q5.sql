WITH counts AS (
    SELECT auction, COUNT(*) AS num, window_start, window_end
    FROM TABLE(HOP(TABLE bid, DESCRIPTOR(ts), INTERVAL '2' SECOND, INTERVAL '10' SECOND))
    GROUP BY auction, window_start, window_end
)
SELECT c.auction, c.num, c.window_start, c.window_end
FROM counts AS c
INNER JOIN (SELECT window_start, window_end, MAX(num) AS maxn FROM counts GROUP BY window_start, window_end) AS m
    ON c.window_start = m.window_start AND c.window_end = m.window_end AND c.num = m.maxn
