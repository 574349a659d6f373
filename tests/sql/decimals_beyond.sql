-- A sum or a mean of decimals that leaves 38 digits is an error of its group for as long as it does; what is within them is exact.
CREATE TABLE t (k BIGINT, d DECIMAL(38, 2), e DECIMAL(38, 0), ts TIMESTAMP);
CREATE VIEW sums AS SELECT k, sum(d) AS s, sum(e) AS e FROM t GROUP BY k;
CREATE VIEW means AS SELECT k, avg(d) AS m, count(*) AS n FROM t GROUP BY k;
CREATE VIEW once AS SELECT sum(DISTINCT e) AS s, avg(DISTINCT d) AS m FROM t;
CREATE VIEW sliding AS SELECT k, window_start, sum(d) AS s, avg(d) AS m FROM hop(t, ts, INTERVAL '5' SECOND, INTERVAL '10' SECOND) GROUP BY k, window_start;
CREATE VIEW running AS SELECT k, d, sum(d) OVER (PARTITION BY k ORDER BY ts) AS s, avg(d) OVER (PARTITION BY k ORDER BY ts ROWS 1 PRECEDING) AS m FROM t;
INSERT INTO t VALUES (1, 1.25, 7, '2024-01-01 00:00:01'), (2, 999999999999999999999999999999999999.99, 99999999999999999999999999999999999999, '2024-01-01 00:00:02');
INSERT INTO t VALUES (1, 2.50, NULL, '2024-01-01 00:00:03'), (2, 0.01, 1, '2024-01-01 00:00:04');
INSERT INTO t VALUES (2, 999999999999999999999999999999999999.98, 99999999999999999999999999999999999998, '2024-01-01 00:00:05');
DELETE FROM t WHERE e = 1;
DELETE FROM t WHERE e > 8;
SELECT * FROM sums;
SELECT * FROM means;
SELECT * FROM once;
SELECT * FROM sliding;
SELECT * FROM running;
SELECT * FROM row_errors;
-- A cast that the query says is computed, and a constant is summed as one.
CREATE TABLE c (k BIGINT, d DECIMAL(10, 4));
INSERT INTO c VALUES (1, 0.0050), (1, 0.0049), (1, 0.0051);
SELECT k, avg(CAST(d AS DECIMAL(66, 2))) AS a, sum(CAST(d AS DECIMAL(66, 2))) AS s, sum(CAST(1 AS DECIMAL(5, 2))) AS one FROM c GROUP BY k;
