-- NOT IN with nulls on either side, correlated and not: what DuckDB 1.x gives for each.
CREATE TABLE t (s VARCHAR, v INT); CREATE TABLE u (s VARCHAR, v INT);
INSERT INTO t VALUES ('z', 46), (NULL, 46), ('z', NULL), ('b', 5), ('c', 7); INSERT INTO u VALUES ('a', NULL), ('b', 4), ('c', 7), (NULL, 1);
SELECT * FROM t WHERE v NOT IN (SELECT v FROM u WHERE u.s = t.s);
SELECT * FROM t WHERE v NOT IN (SELECT v FROM u WHERE u.s > t.s);
SELECT * FROM t WHERE 46 NOT IN (SELECT v FROM u WHERE u.s = t.s);
SELECT * FROM t WHERE 46 NOT IN (SELECT v FROM u);
SELECT * FROM t WHERE v NOT IN (SELECT v FROM u WHERE v IS NOT NULL);
SELECT * FROM t WHERE v + 1 NOT IN (SELECT v + 1 FROM u WHERE u.s = t.s AND u.v < t.v + 1);
SELECT * FROM t WHERE v NOT IN (SELECT v FROM u WHERE u.v = t.v);
SELECT * FROM t WHERE s NOT IN (SELECT s FROM u WHERE u.s IS NOT NULL AND u.v = t.v);
