-- Which auctions had the most bids in the last 10 seconds, told every 2 seconds?
CREATE VIEW q5_counts AS
SELECT auction, w['start'] AS starttime, w['end'] AS endtime, num
FROM (
    SELECT auction, hop(date_time, INTERVAL '2' SECOND, INTERVAL '10' SECOND) AS w, count(*) AS num
    FROM bid
    GROUP BY auction, hop(date_time, INTERVAL '2' SECOND, INTERVAL '10' SECOND)
) AS counted;

CREATE VIEW q5_most AS
SELECT starttime, endtime, max(num) AS maxn
FROM q5_counts
GROUP BY starttime, endtime;

CREATE VIEW q5 AS
SELECT c.auction, c.num, c.starttime, c.endtime
FROM q5_counts AS c
INNER JOIN q5_most AS m ON c.starttime = m.starttime AND c.endtime = m.endtime AND c.num = m.maxn;
