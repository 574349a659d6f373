-- Every way to change a table.
CREATE TABLE t (a BIGINT DEFAULT 10 PRIMARY KEY, b BIGINT DEFAULT 7, c AS b * 10);
CREATE VIEW total AS SELECT sum(b) AS b, sum(c) AS c FROM t;
INSERT INTO t VALUES (1, 1), (2, 2), (3, DEFAULT);
INSERT INTO t (c, a) VALUES (DEFAULT, 4);
INSERT INTO t VALUES (1, 100), (5, 5), (5, 6) ON CONFLICT DO NOTHING;
INSERT INTO t VALUES (1, 10), (2, 20), (6, 60) ON CONFLICT (a) DO UPDATE SET b = b + EXCLUDED.b WHERE t.b < 2;
REPLACE INTO t VALUES (6, 61);
INSERT INTO t DEFAULT VALUES;
SELECT * FROM t ORDER BY a;
UPDATE t SET b = s.n FROM (VALUES (1, 50), (9, 90)) AS s(id, n) WHERE t.a = s.id;
UPDATE t SET (a, b) = (b, a) WHERE a = 2;
DELETE FROM t USING (VALUES (3), (4)) AS s(id) WHERE t.a = s.id;
MERGE INTO t AS x USING (SELECT column1 AS id, column2 AS n FROM (VALUES (1, 0), (2, 3), (8, 8), (9, 0))) AS s ON x.a = s.id
  WHEN MATCHED AND s.n = 0 THEN DELETE
  WHEN MATCHED THEN UPDATE SET b = x.b + s.n
  WHEN NOT MATCHED BY SOURCE AND x.a > 5 THEN UPDATE SET b = DEFAULT
  WHEN NOT MATCHED AND s.n > 0 THEN INSERT (a, b) VALUES (s.id, s.n);
SELECT * FROM t ORDER BY a;
-- What a clause takes for itself and leaves as it is, those behind it do not see.
MERGE INTO t USING (VALUES (8, 1), (11, 5), (12, 6)) AS s(id, n) ON t.a = s.id
  WHEN MATCHED AND s.n = 1 THEN DO NOTHING
  WHEN MATCHED THEN DELETE
  WHEN NOT MATCHED BY SOURCE THEN DO NOTHING
  WHEN NOT MATCHED AND s.n < 6 THEN DO NOTHING
  WHEN NOT MATCHED THEN INSERT (a, b) VALUES (s.id, s.n);
SELECT * FROM t ORDER BY a;
CREATE TABLE kept (b BIGINT, c BIGINT);
INSERT INTO kept SELECT * FROM total;
TRUNCATE TABLE t;
INSERT INTO kept SELECT * FROM total;
SELECT * FROM kept ORDER BY b;
SELECT * FROM total;
-- The sum of a constant over no rows is none.
CREATE TABLE none (x BIGINT);
CREATE TABLE sums (s BIGINT, f DOUBLE);
INSERT INTO sums SELECT sum(c), sum(d) FROM (SELECT 1 AS c, -0.0 AS d FROM none) AS n;
SELECT * FROM sums;
