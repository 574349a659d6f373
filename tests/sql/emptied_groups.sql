-- A group that lost all its rows begins anew, also where windows are given once.
CREATE TABLE t (k INT, x DOUBLE, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND);
CREATE VIEW tumbled AS SELECT window_start, sum(x) AS s, count(*) AS n FROM tumble(t, ts, INTERVAL '10' SECOND) GROUP BY window_start EMIT FINAL;
CREATE VIEW slid AS SELECT window_start, sum(x) AS s, count(*) AS n FROM hop(t, ts, INTERVAL '5' SECOND, INTERVAL '10' SECOND) GROUP BY window_start EMIT FINAL;
INSERT INTO t VALUES (1, 1e308, '2024-01-01 00:00:01'), (1, 1e308, '2024-01-01 00:00:02');
DELETE FROM t WHERE k = 1;
INSERT INTO t VALUES (2, 1.0, '2024-01-01 00:00:03'), (2, 1.0, '2024-01-01 00:00:03');
SELECT * FROM tumbled;
SELECT * FROM slid;
