-- A late row is told whatever is in it: keys of maps as text, and numbers that are none.
CREATE TABLE t (k BIGINT, v DOUBLE, ts TIMESTAMP, WATERMARK FOR ts);
CREATE TABLE u (k BIGINT, ts TIMESTAMP, WATERMARK FOR ts);
CREATE VIEW v AS SELECT t.k, t.m, t.v FROM (SELECT k, ts, MAP {k: v} AS m, v FROM t) t
  JOIN u ON t.k = u.k AND u.ts BETWEEN t.ts AND t.ts + INTERVAL '10' SECOND;
INSERT INTO t VALUES (1, 1.5, '2024-01-01 00:01:00');
INSERT INTO u VALUES (1, '2024-01-01 00:01:00');
INSERT INTO t VALUES (7, 'NaN', '2024-01-01 00:00:00'), (8, '-Infinity', '2024-01-01 00:00:00'), (9, 2.5, '2024-01-01 00:00:00');
SELECT k, v FROM v;
SELECT * FROM late_rows ORDER BY row;
