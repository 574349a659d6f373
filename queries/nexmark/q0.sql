-- Every bid as it is: what passing rows on costs.
CREATE VIEW q0 AS
SELECT auction, bidder, price, date_time, extra
FROM bid;
