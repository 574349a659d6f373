-- Sessions in a zone begin at their first row and last as long as the gap, whatever the clock does.
CREATE TABLE t (k VARCHAR, v BIGINT, ts TIMESTAMP);
CREATE VIEW in_zone AS SELECT k, v, ts AT TIME ZONE 'Europe/Berlin' AS z FROM t;
CREATE VIEW zoned AS SELECT k, window_start, window_end, count(*) AS n FROM session(in_zone, z, INTERVAL '1' DAY, k) GROUP BY k, window_start, window_end;
CREATE VIEW zoned_rows AS SELECT k, z, window_start, window_end FROM session(in_zone, z, INTERVAL '1' DAY, k);
-- Ends that a month makes alike are one group, and a row whose argument fails is in its session all the same.
CREATE VIEW months AS SELECT k, window_end + INTERVAL '1' MONTH AS e, count(*) AS n FROM session(t, ts, INTERVAL '10' SECOND, k) GROUP BY k, window_end + INTERVAL '1' MONTH;
CREATE VIEW failing AS SELECT k, window_start, window_end, sum(10 / v) AS s FROM session(t, ts, INTERVAL '10' SECOND, k) GROUP BY k, window_start, window_end;
INSERT INTO t VALUES ('a', 1, '2024-03-30 12:00:00'), ('a', 2, '2024-03-31 12:30:00'), ('m', 3, '2024-01-30 00:00:00'), ('m', 4, '2024-01-31 00:00:00'), ('m', 5, '2024-01-29 00:00:00');
INSERT INTO t VALUES ('s', 6, '2024-07-01 12:00:00'), ('f', 1, '2024-05-01 00:00:00'), ('f', 0, '2024-05-01 00:00:08'), ('f', 2, '2024-05-01 00:00:16');
SELECT * FROM zoned;
SELECT * FROM zoned_rows;
SELECT * FROM months;
SELECT * FROM failing;
-- With only one of its ends a session is let go of as well.
CREATE TABLE w (k VARCHAR, ts TIMESTAMP, WATERMARK FOR ts AS ts);
CREATE VIEW by_end AS SELECT k, window_end, count(*) AS n FROM session(w, ts, INTERVAL '10' SECOND, k) GROUP BY k, window_end;
CREATE VIEW by_start AS SELECT k, window_start, count(*) AS n FROM session(w, ts, INTERVAL '10' SECOND, k) GROUP BY k, window_start;
EXPLAIN by_end;
EXPLAIN by_start;
INSERT INTO w VALUES ('a', '2024-01-01 00:00:00');
INSERT INTO w VALUES ('a', '2024-01-01 00:00:15');
INSERT INTO w VALUES ('a', '2024-01-01 00:00:07');
SELECT * FROM by_end;
SELECT * FROM by_start;
-- Where rows go, what is left of a session may have been over before: it stays, and groups are kept.
CREATE TABLE d (k VARCHAR, v BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts);
CREATE VIEW left_over AS SELECT k, window_start, window_end, count(*) AS n FROM session(d, ts, INTERVAL '10' SECOND, k) GROUP BY k, window_start, window_end;
EXPLAIN left_over;
INSERT INTO d VALUES ('a', 1, '2024-01-01 00:00:00'), ('a', 2, '2024-01-01 00:00:08'), ('a', 3, '2024-01-01 00:00:16'), ('w', 0, '2024-01-01 00:00:20');
INSERT INTO d VALUES ('x', 0, '2024-01-01 00:00:20');
DELETE FROM d WHERE v = 3;
SELECT * FROM left_over;
SELECT * FROM late_rows;
