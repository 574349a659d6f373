-- Parts of a time, and dates, are closed by a watermark once it has passed their end.
CREATE TABLE t (v BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND);
CREATE VIEW minutes AS SELECT date_trunc('minute', ts) AS m, count(*) AS n, sum(mod(v, 3)) AS s, sum(sign(v)) AS p FROM t GROUP BY 1 EMIT FINAL;
CREATE VIEW months AS SELECT date_trunc('month', ts) AS m, sum(v) AS v FROM t GROUP BY 1 EMIT FINAL;
CREATE VIEW days AS SELECT CAST(ts AS DATE) AS d, max(v) AS v FROM t GROUP BY 1;
CREATE VIEW hours AS SELECT FLOOR(ts TO HOUR) AS h, count(*) AS n FROM t GROUP BY FLOOR(ts TO HOUR);
EXPLAIN days;
EXPLAIN hours;
INSERT INTO t VALUES (1, '2024-01-31 23:58:01'), (2, '2024-01-31 23:59:30'), (-4, '2024-01-31 23:58:59');
INSERT INTO t VALUES (5, '2024-02-01 00:00:04');
INSERT INTO t VALUES (6, '2024-02-01 00:00:05');
INSERT INTO t VALUES (7, '2024-01-31 23:59:59');
SELECT * FROM minutes;
SELECT * FROM months;
SELECT * FROM days;
SELECT * FROM hours;
SELECT * FROM late_rows;
