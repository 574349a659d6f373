SELECT auction, bidder, price, channel, url, date_time, extra
FROM (
    SELECT
        auction, bidder, price, channel, url, date_time, extra,
        ROW_NUMBER() OVER (PARTITION BY bidder, auction ORDER BY date_time DESC, price DESC, channel, url, extra) AS place
    FROM bid
)
WHERE place <= 1
