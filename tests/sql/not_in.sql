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
-- Subqueries that have one row whatever there is, and values that are computed; DuckDB's answers.
CREATE TABLE aa (id INT, k INT, v INT);
CREATE TABLE bb (k INT, w INT);
INSERT INTO aa VALUES (1, NULL, 2), (2, 1, 2), (3, 5, NULL), (4, 7, 9);
INSERT INTO bb VALUES (2, NULL), (9, 7), (3, 3);
SELECT id FROM aa WHERE k NOT IN (SELECT max(w) FROM bb WHERE bb.k = aa.v);
SELECT id FROM aa WHERE k > ALL (SELECT max(w) FROM bb WHERE bb.k = aa.v);
SELECT id FROM aa WHERE 0 IN (SELECT count(*) FROM bb WHERE bb.k = aa.v);
SELECT id FROM aa WHERE NOT EXISTS (SELECT max(w) FROM bb WHERE bb.k = aa.v);
SELECT id FROM aa WHERE k NOT IN (SELECT max(w) FROM bb WHERE bb.k = aa.v HAVING count(*) > 0);
SELECT id FROM aa WHERE k + 0 NOT IN (SELECT k FROM bb WHERE bb.k = aa.v);
SELECT id, 1 NOT IN (SELECT count(*) FROM bb) AS f FROM aa;
