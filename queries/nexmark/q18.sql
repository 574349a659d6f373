-- What is the last bid of each bidder on each auction?
CREATE VIEW q18 AS
SELECT auction, bidder, price, channel, url, date_time, extra
FROM (
    SELECT
        auction, bidder, price, channel, url, date_time, extra,
        row_number() OVER (PARTITION BY bidder, auction ORDER BY date_time DESC, price DESC, channel, url, extra) AS rank_number
    FROM bid
) AS ranked
WHERE rank_number <= 1;
