-- Calls OVER partitions in the order of event time: a change concerns rows around it, or all after it; rows that the watermark has
-- passed are let go of but for what is looked at, and what comes for them after that is late. Each statement is an epoch.
CREATE TABLE samples (device VARCHAR, ts TIMESTAMP, v BIGINT, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND);
CREATE VIEW steps AS
SELECT device, ts, v,
  v - lag(v) OVER (PARTITION BY device ORDER BY ts, v) AS step,
  sum(v) OVER (PARTITION BY device ORDER BY ts, v) AS total,
  row_number() OVER (PARTITION BY device ORDER BY ts, v) AS n
FROM samples;
CREATE VIEW recent AS
SELECT device, ts, avg(CAST(v AS DOUBLE)) OVER (PARTITION BY device ORDER BY ts RANGE BETWEEN INTERVAL '10' SECOND PRECEDING AND CURRENT ROW) AS mean,
  rank() OVER (PARTITION BY device ORDER BY ts) AS place
FROM samples;
CREATE VIEW ahead AS SELECT device, ts, lead(v) OVER (PARTITION BY device ORDER BY ts, v) AS next FROM samples;
CREATE VIEW settled AS SELECT * FROM steps EMIT FINAL;
INSERT INTO samples VALUES ('a', '2024-01-01 00:00:01', 10), ('a', '2024-01-01 00:00:03', 14), ('b', '2024-01-01 00:00:02', 1);
-- Between two of them: what follows it changes, what is before it does not.
INSERT INTO samples VALUES ('a', '2024-01-01 00:00:02', 11), ('a', '2024-01-01 00:00:02', 11);
INSERT INTO samples VALUES ('a', '2024-01-01 00:00:20', 30);
-- The totals go on from rows that are no longer kept.
INSERT INTO samples VALUES ('a', '2024-01-01 00:00:21', 31), ('b', '2024-01-01 00:00:22', 2);
-- Late.
INSERT INTO samples VALUES ('a', '2024-01-01 00:00:04', 99);
INSERT INTO samples VALUES ('a', '2024-01-01 00:01:00', 40);
SELECT * FROM steps ORDER BY device, n;
SELECT * FROM recent ORDER BY device, ts;
SELECT * FROM ahead ORDER BY device, ts, next;
SELECT * FROM settled ORDER BY device, n;
SELECT * FROM late_rows;
EXPLAIN steps;
EXPLAIN ahead;
EXPLAIN SELECT lag(v) OVER (ORDER BY v) FROM samples;
EXPLAIN SELECT ntile(2) OVER (ORDER BY ts) FROM samples;
