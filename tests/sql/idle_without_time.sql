-- A row without a time says nothing of when it is: a table that is given only such rows falls idle, and stays so.
CREATE TABLE t0 (k VARCHAR, ts TIMESTAMP, WATERMARK FOR ts AS ts) WITH ('watermark.idle' = '2 epochs');
CREATE TABLE t1 (k VARCHAR, ts TIMESTAMP, WATERMARK FOR ts AS ts);
CREATE VIEW v AS SELECT date_bin(INTERVAL '4' SECOND, ts) AS w, count(*) AS n FROM (SELECT ts FROM t0 UNION ALL SELECT ts FROM t1) GROUP BY 1 EMIT FINAL;
BEGIN;
INSERT INTO t0 VALUES ('a', '2024-01-01 00:00:01');
INSERT INTO t1 VALUES ('a', '2024-01-01 00:00:10');
COMMIT;
INSERT INTO t0 VALUES ('b', NULL);
INSERT INTO t0 VALUES ('c', NULL);
INSERT INTO t0 VALUES ('d', NULL);
INSERT INTO t0 VALUES ('e', '2024-01-01 00:00:11');
SELECT * FROM v;
