-- A watermark lets go of sessions: what would have been in a closed one is late, and what is over before it comes; what an open
-- one reaches is not.
CREATE TABLE t (k VARCHAR, v BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND);
CREATE VIEW totals AS
  SELECT k, window_start, window_end, count(*) AS n, sum(v) AS s, max(v) FILTER (WHERE v < 9) AS m
  FROM session(t, ts, INTERVAL '10' SECOND, k) GROUP BY k, window_start, window_end;
CREATE VIEW rows_of AS SELECT v, window_start, window_end FROM session(t, ts, INTERVAL '10' SECOND, k);
CREATE VIEW once AS SELECT k, session_end(ts, INTERVAL '10' SECOND) AS w, count(*) AS n FROM t GROUP BY k, session(ts, INTERVAL '10' SECOND) EMIT FINAL;
CREATE VIEW anew AS SELECT session(ts, INTERVAL '3' SECOND)['end'] AS w, median(v) AS m FROM t GROUP BY session(ts, INTERVAL '3' SECOND);
EXPLAIN totals;
EXPLAIN rows_of;
EXPLAIN once;
EXPLAIN anew;
INSERT INTO t VALUES ('a', 1, '2024-01-01 00:00:01'), ('a', 2, '2024-01-01 00:00:08'), ('b', 3, '2024-01-01 00:00:02'), ('a', 0, NULL);
-- The watermark becomes 15: the session of b, which ends at 12, is closed.
INSERT INTO t VALUES ('a', 4, '2024-01-01 00:00:20');
-- Within the open session of a, which ends at 18.
INSERT INTO t VALUES ('a', 5, '2024-01-01 00:00:03');
-- Would have been in the closed session of b; the next begins where it ended.
INSERT INTO t VALUES ('b', 6, '2024-01-01 00:00:11'), ('b', 7, '2024-01-01 00:00:12');
-- Over before it comes, and one that is not, of a key that is new.
INSERT INTO t VALUES ('c', 8, '2024-01-01 00:00:04'), ('c', 9, '2024-01-01 00:00:13');
-- Makes two open sessions of a one.
INSERT INTO t VALUES ('a', 10, '2024-01-01 00:00:15');
INSERT INTO t VALUES ('a', 11, '2024-01-01 00:01:00');
SELECT * FROM totals;
SELECT * FROM rows_of;
SELECT * FROM once;
SELECT * FROM anew;
SELECT * FROM late_rows;
