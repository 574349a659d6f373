-- How many bids did each bidder make in each session, which ends after 10 seconds without a bid?
CREATE VIEW q11 AS
SELECT bidder, bid_count, w['start'] AS starttime, w['end'] AS endtime
FROM (
    SELECT bidder, session(date_time, INTERVAL '10' SECOND) AS w, count(*) AS bid_count
    FROM bid
    GROUP BY bidder, session(date_time, INTERVAL '10' SECOND)
) AS sessions;
