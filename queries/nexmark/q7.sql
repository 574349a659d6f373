-- Which bids have the highest price of each 10 seconds?
CREATE VIEW q7_highest AS
SELECT tumble_start(date_time, INTERVAL '10' SECOND) AS starttime, max(price) AS maxprice
FROM bid
GROUP BY tumble_start(date_time, INTERVAL '10' SECOND);

CREATE VIEW q7 AS
SELECT b.auction, b.price, b.bidder, b.date_time, b.extra
FROM bid AS b
INNER JOIN q7_highest AS h ON b.price = h.maxprice AND tumble_start(b.date_time, INTERVAL '10' SECOND) = h.starttime;
