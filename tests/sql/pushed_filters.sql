-- Conditions go below groupings and joins only as far as they may.
CREATE TABLE t (y1 BIGINT, y2 BIGINT, y3 BIGINT, d DATE);
CREATE TABLE e (d DATE);
INSERT INTO t VALUES (0, 1, 3, DATE '2024-01-03'), (1, 0, 1, DATE '2024-01-01');
-- A condition on no column has no row where it does not hold, not a count of nothing.
SELECT n FROM (SELECT count(*) AS n FROM t) q WHERE now() < TIMESTAMP '2024-01-02';
SELECT n FROM (SELECT count(*) AS n FROM t) q WHERE now() > TIMESTAMP '2024-01-02';
SELECT n, y1 FROM (SELECT count(*) AS n FROM t) q JOIN t ON now() < TIMESTAMP '2024-01-02';
SELECT n, y1 FROM (SELECT count(*) AS n FROM t) q JOIN t ON now() > TIMESTAMP '2024-01-02' AND y1 > 0;
SELECT count(*) AS n FROM t HAVING now() < TIMESTAMP '2024-01-02';
SELECT n FROM (SELECT count(*) AS n FROM t) q WHERE DATE '2024-01-02' < (SELECT max(d) FROM e);
SELECT n FROM (SELECT y1, count(*) AS n FROM t GROUP BY y1) q WHERE now() < TIMESTAMP '2024-01-02' AND y1 = 1;
-- The number may stand on the left.
SELECT a.y3, b.y3 FROM t a RIGHT JOIN t b ON a.y1 = b.y2 AND 1 = b.y2;
SELECT a.y3, b.y3 FROM t a RIGHT JOIN t b ON a.y1 IS NOT DISTINCT FROM b.y2 AND CAST(extract(day FROM TIMESTAMP '2024-01-01 00:00:33') AS BIGINT) = b.y2;
SELECT a.y1, b.y2 FROM t a JOIN t b ON 0 <= a.y1 AND 0 < a.y1 AND a.y1 = b.y2 WHERE 1 = b.y2 AND a.y1 = 1;
SELECT a.y1, b.y2 FROM t a JOIN t b ON 0 <= a.y1 AND 0 < a.y1 AND a.y1 = b.y2;
-- The same in statements, which DataFusion's batch answers.
CREATE TABLE o (what VARCHAR, n BIGINT, m BIGINT);
INSERT INTO o SELECT 'empty', n, 0 FROM (SELECT count(*) AS n FROM t) q WHERE DATE '2024-01-02' < (SELECT max(d) FROM e);
INSERT INTO o SELECT 'left', a.y3, b.y3 FROM t a RIGHT JOIN t b ON (a.y1 IS NOT DISTINCT FROM b.y2) AND CAST(extract(day FROM TIMESTAMP '2024-01-01 00:00:33') AS BIGINT) = b.y2;
-- Above an outer join a constant is none.
INSERT INTO o SELECT 'outer', c, max(c) OVER (ORDER BY c, t.d DESC) FROM (SELECT CAST(extract(day FROM TIMESTAMP '2024-01-01 00:00:04') AS BIGINT) AS c FROM t) w RIGHT JOIN t ON w.c = t.y1;
SELECT * FROM o;
-- Conditions that come together go on together, but for those on no column.
SELECT n FROM (SELECT count(*) AS n FROM t HAVING now() < TIMESTAMP '2024-01-02') q WHERE n < 100;
SELECT n FROM (SELECT n FROM (SELECT count(*) AS n FROM t) q WHERE DATE '2024-01-02' < (SELECT max(d) FROM e)) r WHERE n < 100;
DELETE FROM o;
INSERT INTO o SELECT 'none', n, 0 FROM (SELECT count(*) AS n FROM t HAVING (SELECT max(y1) FROM t) < 1) q WHERE n < 100;
INSERT INTO o SELECT 'one', n, 0 FROM (SELECT count(*) AS n FROM t HAVING (SELECT max(y1) FROM t) = 1) q WHERE n < 100;
-- Zeros are one number.
CREATE TABLE z (x DOUBLE, y FLOAT);
INSERT INTO z VALUES (0.0, 0.0), (CAST('-0.0' AS DOUBLE), CAST('-0.0' AS FLOAT)), (1.0, 1.0);
SELECT x FROM z WHERE x = 0.0 AND x = CAST('-0.0' AS DOUBLE);
SELECT y FROM z WHERE CAST('-0.0' AS FLOAT) < y AND y >= CAST(0 AS FLOAT);
INSERT INTO o SELECT 'zeros', count(*), 0 FROM z WHERE x = 0.0 AND x = CAST('-0.0' AS DOUBLE);
INSERT INTO o SELECT 'above', count(*), 0 FROM z WHERE x > CAST('-0.0' AS DOUBLE) AND x >= 0.0;
SELECT * FROM o;
-- A key of a join that is made of two tables, and stands nowhere when the joins are put in another order.
CREATE TABLE k0 (x1 INT, x3 INT, x5 BIGINT);
CREATE TABLE k1 (y0 BIGINT, y4 SMALLINT);
INSERT INTO k1 VALUES (2, 3), (0, 4);
INSERT INTO k0 VALUES (0, 10, 0), (1, 0, 0);
SELECT a6.y4 AS c0 FROM k0 AS a5 CROSS JOIN k1 AS a6 WHERE (a6.y0 + a5.x5) = (SELECT CAST(sum(a7.x3) AS BIGINT) FROM k0 AS a7 WHERE a5.x1 = a7.x3);
