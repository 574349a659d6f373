-- What are the ten highest bids of each auction?
CREATE VIEW q19 AS
SELECT auction, bidder, price, channel, url, date_time, extra, rank_number
FROM (
    SELECT
        auction, bidder, price, channel, url, date_time, extra,
        row_number() OVER (PARTITION BY auction ORDER BY price DESC, date_time, bidder, channel, url, extra) AS rank_number
    FROM bid
) AS ranked
WHERE rank_number <= 10;
