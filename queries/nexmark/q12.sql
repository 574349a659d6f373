-- How many bids did each bidder make in each 10 seconds?
-- Published over processing time; here over event time, so that the answer is the same each time.
CREATE VIEW q12 AS
SELECT bidder, bid_count, w['start'] AS starttime, w['end'] AS endtime
FROM (
    SELECT bidder, tumble(date_time, INTERVAL '10' SECOND) AS w, count(*) AS bid_count
    FROM bid
    GROUP BY bidder, tumble(date_time, INTERVAL '10' SECOND)
) AS windows;
