-- What does a bounded side table, side_input(key BIGINT, value VARCHAR), say of each bid's auction?
CREATE VIEW q13 AS
SELECT b.auction, b.bidder, b.price, b.date_time, s.value
FROM bid AS b
INNER JOIN side_input AS s ON b.auction % 10000 = s.key;
