SELECT b.auction, b.price, b.bidder, b.date_time, b.extra
FROM (SELECT * FROM TABLE(TUMBLE(TABLE bid, DESCRIPTOR(ts), INTERVAL '10' SECOND))) AS b
INNER JOIN (
    SELECT window_start, window_end, MAX(price) AS highest
    FROM TABLE(TUMBLE(TABLE bid, DESCRIPTOR(ts), INTERVAL '10' SECOND))
    GROUP BY window_start, window_end
) AS h ON b.window_start = h.window_start AND b.window_end = h.window_end AND b.price = h.highest
