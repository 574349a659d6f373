-- Windows and joins by time as other engines write them.
SET 'execution.checkpointing.interval' = '10s';
CREATE TABLE bid (item STRING, price DECIMAL(10, 2), tags STRING, bidtime TIMESTAMP(3), WATERMARK FOR bidtime AS bidtime - INTERVAL '10' SECOND);
INSERT INTO bid VALUES ('C', 4.00, 'x,y', '2020-04-15 08:05:00'), ('C', 2.00, 'x,,z', '2020-04-15 08:07:00'), ('D', 5.00, NULL, '2020-04-15 08:06:00'), ('C', 1.00, 'x', '2020-04-15 08:13:00');
SELECT window_start, window_end, item, sum(price) AS price FROM TABLE(SESSION(TABLE bid PARTITION BY item, DESCRIPTOR(bidtime), INTERVAL '5' MINUTES))
  GROUP BY window_start, window_end, item ORDER BY item, window_start;
SELECT s.window_end, count(*) AS n FROM TABLE(SESSION(TABLE bid PARTITION BY (item, tags), DESCRIPTOR(bidtime), INTERVAL '5' MINUTES)) s GROUP BY s.window_end ORDER BY 1;
SELECT TUMBLE_START(bidtime, INTERVAL '5' MINUTE) AS s, TUMBLE_END(bidtime, INTERVAL '5' MINUTE) AS e, TUMBLE_ROWTIME(bidtime, INTERVAL '5' MINUTE) AS last, count(*) AS n
  FROM bid GROUP BY TUMBLE(bidtime, INTERVAL '5' MINUTE) ORDER BY s;
SELECT window_start, window_end, window_time AS last, sum(price) AS price FROM TABLE(HOP(TABLE bid, DESCRIPTOR(bidtime), INTERVAL '5' MINUTE, INTERVAL '10' MINUTE))
  GROUP BY window_start, window_end, window_time ORDER BY window_start;
CREATE VIEW of_five AS SELECT window_start AS five_start, window_end AS five_end, window_time AS rowtime, item, sum(price) AS price
  FROM TABLE(TUMBLE(TABLE bid, DESCRIPTOR(bidtime), INTERVAL '5' MINUTE)) GROUP BY item, window_start, window_end, window_time;
SELECT window_start, window_end, max(price) AS best FROM TABLE(TUMBLE(TABLE of_five, DESCRIPTOR(rowtime), INTERVAL '10' MINUTE)) GROUP BY window_start, window_end ORDER BY window_start;
SELECT item, bidtime, split_index(tags, ',', 0) AS first, split_index(tags, ',', 1) AS second, split_index(tags, ',', -1) AS none FROM bid ORDER BY bidtime;
CREATE TABLE rates (item STRING, rate DOUBLE, since TIMESTAMP);
INSERT INTO rates VALUES ('C', 1.5, '2020-04-15 08:06:00'), ('C', 2.5, '2020-04-15 09:00:00');
SELECT b.item, b.bidtime, r.rate FROM bid b LEFT ASOF JOIN rates r MATCH_CONDITION (b.bidtime >= r.since) ON b.item = r.item ORDER BY b.bidtime;
CREATE TABLE dated (item STRING, rate DOUBLE, since TIMESTAMP, WATERMARK FOR since, PRIMARY KEY (item, since) NOT ENFORCED);
INSERT INTO dated VALUES ('C', 1.5, '2020-04-15 08:06:00'), ('C', 2.5, '2020-04-15 08:10:00');
SELECT b.item, b.bidtime, r.rate FROM bid b LEFT JOIN dated FOR SYSTEM_TIME AS OF b.bidtime AS r ON b.item = r.item ORDER BY b.bidtime;
