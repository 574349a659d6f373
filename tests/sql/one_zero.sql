-- Minus zero is zero wherever values are compared.
CREATE TABLE t (i BIGINT, x DOUBLE);
INSERT INTO t VALUES (0, 0.0), (1, 1.5), (5, -0.0);
SELECT i FROM t WHERE i IN (-0.0, 1);
SELECT i FROM t WHERE i NOT IN (-0.0, 1);
SELECT i FROM t WHERE i = 0.0 AND i <> -0.0;
SELECT i FROM t WHERE x = 0 AND x <> -0.0e0;
SELECT i FROM t WHERE x * -1 IN (0, 5);
SELECT i FROM t WHERE x IN (0.0, 5, 6, 7, 8, 9);
SELECT i FROM t WHERE x IN (-0.0e0, 5, 6, 7, 8, 9);
SELECT i, CASE x * -1 WHEN 0 THEN 'zero' ELSE 'other' END AS c, nullif(x * -1, 0) AS n, x IN (-0.0e0, 7) AS f FROM t;
SELECT i, nullif(x, 1.5) AS n, nullif(x, i) AS m FROM t;
-- One value among those that are counted once, too.
CREATE TABLE twice (k INT, a DOUBLE, b REAL);
INSERT INTO twice VALUES (1, 0.0, 0.0), (1, -0.0, -0.0), (1, 1.0, NULL);
INSERT INTO twice VALUES (2, -0.0, -0.0);
SELECT k, count(DISTINCT a) AS a, count(DISTINCT b) AS b, avg(DISTINCT a) AS m FROM twice GROUP BY k ORDER BY k;
