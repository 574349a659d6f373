-- Sliding windows grouped by the time itself: a late row is told once for each of its windows.
CREATE TABLE t (k BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts);
CREATE VIEW v AS SELECT ts, window_end, count(*) AS n FROM hop(t, ts, INTERVAL '5' SECOND, INTERVAL '10' SECOND) GROUP BY ts, window_end;
INSERT INTO t VALUES (1, '2024-01-01 00:00:01');
INSERT INTO t VALUES (1, '2024-01-01 00:00:08');
INSERT INTO t VALUES (1, '2024-01-01 00:00:07');
SELECT * FROM v ORDER BY ts, window_end;
SELECT * FROM late_rows;
