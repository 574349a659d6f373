-- What one batch takes from a window and gives it cancels in number, not in value.
CREATE TABLE r (k INT PRIMARY KEY, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '20' SECOND);
INSERT INTO r VALUES (3, '2024-01-01 00:00:07');
INSERT INTO r VALUES (11, '2024-01-01 00:00:08'), (3, '2024-01-01 00:00:11');
SELECT window_start, count(*) AS n, avg(k) AS a FROM hop(r, ts, INTERVAL '5' SECOND, INTERVAL '10' SECOND) GROUP BY window_start;
-- A group that lost all its rows begins anew, also where windows are given once.
CREATE TABLE t (k INT, x DOUBLE, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND);
CREATE VIEW tumbled AS SELECT window_start, sum(x) AS s, count(*) AS n FROM tumble(t, ts, INTERVAL '10' SECOND) GROUP BY window_start EMIT FINAL;
CREATE VIEW slid AS SELECT window_start, sum(x) AS s, count(*) AS n FROM hop(t, ts, INTERVAL '5' SECOND, INTERVAL '10' SECOND) GROUP BY window_start EMIT FINAL;
INSERT INTO t VALUES (1, 1e308, '2024-01-01 00:00:01'), (1, 1e308, '2024-01-01 00:00:02');
DELETE FROM t WHERE k = 1;
INSERT INTO t VALUES (2, 1.0, '2024-01-01 00:00:03'), (2, 1.0, '2024-01-01 00:00:03');
BEGIN;
DELETE FROM t WHERE k = 2;
INSERT INTO t VALUES (3, 1e308, '2024-01-01 00:00:03'), (3, 1e308, '2024-01-01 00:00:03');
COMMIT;
-- Rows are left, and none with a value.
BEGIN;
DELETE FROM t WHERE k = 3;
INSERT INTO t VALUES (4, NULL, '2024-01-01 00:00:03'), (4, NULL, '2024-01-01 00:00:03'), (4, NULL, '2024-01-01 00:00:03');
COMMIT;
INSERT INTO t VALUES (5, 2.0, '2024-01-01 00:00:04');
SELECT * FROM tumbled;
SELECT * FROM slid;
