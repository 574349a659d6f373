-- A table without rows for two epochs holds nothing back; when it comes back, what has passed has passed.
CREATE TABLE a (ts TIMESTAMP, v BIGINT, WATERMARK FOR ts);
CREATE TABLE b (ts TIMESTAMP, v BIGINT, WATERMARK FOR ts) WITH ('watermark.idle' = '2 epochs');
CREATE VIEW both AS SELECT ts, v FROM a UNION ALL SELECT ts, v FROM b;
CREATE VIEW closed AS SELECT window_end, sum(v) AS v FROM tumble(both, ts, INTERVAL '10' SECOND) GROUP BY window_end EMIT FINAL;
INSERT INTO b VALUES ('2024-01-01 00:00:01', 1);
INSERT INTO a VALUES ('2024-01-01 00:00:15', 2);
INSERT INTO a VALUES ('2024-01-01 00:00:35', 4);
INSERT INTO b VALUES ('2024-01-01 00:00:02', 8), ('2024-01-01 00:00:38', 16);
INSERT INTO a VALUES ('2024-01-01 00:00:55', 32);
SELECT * FROM closed;
SELECT row FROM late_rows;
-- By the clock.
SET now = TIMESTAMP '2100-01-01 00:00:00';
CREATE TABLE c (ts TIMESTAMP, v BIGINT, WATERMARK FOR ts) WITH ('scan.watermark.idle-timeout' = '1 min');
CREATE VIEW of_clock AS SELECT window_end, sum(v) AS v FROM tumble((SELECT ts, v FROM a UNION ALL SELECT ts, v FROM c), ts, INTERVAL '10' SECOND)
  GROUP BY window_end EMIT FINAL;
INSERT INTO c VALUES ('2024-01-01 00:00:01', 100);
SET now = TIMESTAMP '2100-01-01 00:00:59';
SET now = TIMESTAMP '2100-01-01 00:01:00';
INSERT INTO a VALUES ('2024-01-01 00:00:56', 64);
SELECT * FROM of_clock;
