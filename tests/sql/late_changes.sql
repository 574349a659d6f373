-- A change of a window that is closed is told with how often its row came, or went; what was told is not taken back.
CREATE TABLE t (k VARCHAR, ts TIMESTAMP, v BIGINT, WATERMARK FOR ts);
CREATE VIEW c AS SELECT window_start, count(*) AS n FROM tumble(t, ts, INTERVAL '5' SECOND) GROUP BY window_start;
INSERT INTO t VALUES ('a', '2024-01-01 00:00:01', 1);
INSERT INTO t VALUES ('b', '2024-01-01 00:00:15', 2);
DELETE FROM t WHERE k = 'a';
INSERT INTO t VALUES ('x', '2024-01-01 00:00:02', 1), ('y', '2024-01-01 00:00:02', 1);
SELECT * FROM late_rows;
SELECT count(*) AS changes, sum(diff) AS rows FROM late_rows;
SELECT * FROM c ORDER BY window_start;
