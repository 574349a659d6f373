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
