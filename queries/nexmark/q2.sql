-- Which bids are on auctions whose id is a multiple of 123?
CREATE VIEW q2 AS
SELECT auction, price
FROM bid
WHERE auction % 123 = 0;
