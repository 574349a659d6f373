-- VALUES as a subquery.
CREATE TABLE t (a INT, b VARCHAR);
INSERT INTO t VALUES (1, 'x'), (2, 'y'), (3, NULL), (NULL, 'z');
SELECT a FROM t WHERE a IN (VALUES (1), (3)) ORDER BY a;
SELECT a FROM t WHERE a NOT IN (VALUES (1), (3));
SELECT a FROM t WHERE a NOT IN (VALUES (1), (NULL));
SELECT a, (a, b) IN (VALUES (1, 'x'), (3, 'y')) AS found FROM t ORDER BY a;
-- A value that is one for all rows once it is simplified.
SELECT a FROM t WHERE CASE WHEN false THEN a END NOT IN (SELECT 5 FROM t AS u);
SELECT a FROM t WHERE CASE WHEN false THEN a END NOT IN (SELECT 5 FROM t AS u WHERE u.a > 7) ORDER BY a;
SELECT a FROM t WHERE coalesce(4, a) NOT IN (SELECT u.a FROM t AS u WHERE u.a > 1);
-- What is left of a condition when it is simplified: a column that the subquery is correlated by too.
CREATE TABLE u (a INT, b VARCHAR);
INSERT INTO u VALUES (7, 'x'), (8, NULL);
SELECT a, b FROM t WHERE (a NOT IN (SELECT u.a FROM u WHERE u.b = t.b AND u.a = t.a)) OR false ORDER BY a;
SELECT a, b FROM t WHERE ((a NOT IN (SELECT u.a FROM u WHERE u.b = t.b AND u.a = t.a)) IS TRUE) = (1 < 2) ORDER BY a;
SELECT a, b FROM t WHERE NOT (a IN (SELECT u.a FROM u WHERE u.b = t.b AND u.a = t.a) AND 1 = 1.0) ORDER BY a;
