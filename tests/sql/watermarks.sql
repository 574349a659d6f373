-- Windows are given once the watermark has passed them; what comes later is late, and can be read.
CREATE TABLE r (device VARCHAR, ts TIMESTAMP, v BIGINT, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND);
CREATE VIEW w AS SELECT device, tumble_start(ts, INTERVAL '10' SECOND) AS start, count(*) AS n, sum(v) AS v FROM r
  GROUP BY device, tumble_start(ts, INTERVAL '10' SECOND);
CREATE VIEW f AS SELECT * FROM w EMIT FINAL;
INSERT INTO r VALUES ('a', '2024-01-01 00:00:01', 1), ('a', '2024-01-01 00:00:04', 2);
INSERT INTO r VALUES ('b', '2024-01-01 00:00:12', 5);
INSERT INTO r VALUES ('a', '2024-01-01 00:00:09', 3);
INSERT INTO r VALUES ('a', '2024-01-01 00:00:16', 1);
INSERT INTO r VALUES ('a', '2024-01-01 00:00:08', 100);
SELECT * FROM w;
SELECT * FROM f;
SELECT * FROM late_rows;
