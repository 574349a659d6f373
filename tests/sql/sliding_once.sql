-- Sliding windows that are given once: a row that is late for some of its windows is in those that are still open.
CREATE TABLE gauges (device VARCHAR, ts TIMESTAMP, v BIGINT, WATERMARK FOR ts AS ts - INTERVAL '1' SECOND);
CREATE VIEW closed AS
  SELECT device, window_end, count(*) AS n, sum(v) AS s, min(v) AS lo, max(v) AS hi, avg(v) AS mean
  FROM hop(gauges, ts, INTERVAL '2' SECOND, INTERVAL '10' SECOND)
  GROUP BY device, window_start, window_end EMIT FINAL;
INSERT INTO gauges VALUES ('a', '2024-01-01 00:00:01', 1), ('a', '2024-01-01 00:00:03', 2), ('b', '2024-01-01 00:00:03', 5);
INSERT INTO gauges VALUES ('a', '2024-01-01 00:00:09', 3);
INSERT INTO gauges VALUES ('a', '2024-01-01 00:00:06', 100);
INSERT INTO gauges VALUES ('b', '2024-01-01 00:00:02', 50), ('a', '2024-01-01 00:00:11', 4);
INSERT INTO gauges VALUES ('b', '2024-01-01 00:00:30', 7);
INSERT INTO gauges VALUES ('a', '2024-01-01 00:00:12', 9);
EXPLAIN closed;
SELECT * FROM late_rows;
SELECT * FROM closed ORDER BY device, window_end;
