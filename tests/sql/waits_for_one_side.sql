-- What a join gives is final once the time that it hands up says so: what the other side's partners may be later is no matter above it.
CREATE TABLE t (k INT, v BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '1' SECOND);
CREATE TABLE names (k INT, v BIGINT);
CREATE VIEW x AS SELECT t.k, names.v, t.ts FROM t LEFT JOIN names ON t.k = names.k;
CREATE VIEW f AS SELECT x.ts AS w, x.k, y.v
    FROM x JOIN (SELECT a.k, b.v, a.ts FROM t AS a LEFT JOIN t AS b ON b.ts BETWEEN a.ts + INTERVAL '-2' SECOND AND a.ts + INTERVAL '-1' SECOND) AS y
    ON y.ts BETWEEN x.ts + INTERVAL '2' SECOND AND x.ts + INTERVAL '9' SECOND EMIT FINAL;
BEGIN;
INSERT INTO t VALUES (2, 0, '2024-01-01 00:00:28');
INSERT INTO t VALUES (3, 2, '2024-01-01 00:00:25');
COMMIT;
EXPLAIN f;
SELECT * FROM f;
