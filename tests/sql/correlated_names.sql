-- Subqueries over several tables whose columns have the same names.
CREATE TABLE a (k BIGINT, v BIGINT, p STRUCT<n BIGINT, q STRUCT<z BIGINT>>);
CREATE TABLE b (id BIGINT, k BIGINT, v BIGINT);
CREATE TABLE c (id BIGINT, k BIGINT, v BIGINT);
INSERT INTO a VALUES (1, 2, named_struct('n', 1, 'q', named_struct('z', 2))), (7, 7, NULL);
INSERT INTO b VALUES (1, 1, 1), (2, 1, 7);
INSERT INTO c VALUES (1, 1, 2), (2, 1, 7);
SELECT k FROM a WHERE k IN (SELECT b.v FROM b JOIN c ON b.id = c.id WHERE c.v = a.v) ORDER BY k;
SELECT k FROM a WHERE EXISTS (SELECT 1 FROM b, c WHERE b.v = a.k AND c.v = a.v) ORDER BY k;
SELECT k FROM a WHERE NOT EXISTS (SELECT 1 FROM b JOIN c USING (id) WHERE b.v = a.k AND c.v = a.v);
SELECT a.k, (SELECT max(x.v) FROM b x JOIN c y ON x.k = y.k WHERE y.v = a.v AND x.v = a.k) AS m FROM a ORDER BY k;
SELECT a.k, l.v, l.w FROM a, LATERAL (SELECT x.v, y.v AS w FROM b x, b y WHERE y.v = a.k) AS l ORDER BY k, v;
SELECT a.k, l.v FROM a, LATERAL (SELECT x.id AS v FROM b x WHERE x.v = a.k) AS l ORDER BY k;
-- Set operations in them take nulls as equal.
INSERT INTO b VALUES (3, 7, NULL);
INSERT INTO c VALUES (3, 7, NULL);
SELECT a.k, (SELECT count(*) FROM (SELECT b.v FROM b WHERE b.k = a.k EXCEPT SELECT v FROM c) AS x) AS n FROM a ORDER BY k;
SELECT a.k, (SELECT count(*) FROM (SELECT b.v FROM b WHERE b.k = a.k INTERSECT SELECT v FROM c) AS x) AS n FROM a ORDER BY k;
-- What groups let through by name alone: of other shapes.
SELECT a.k, (SELECT max(o) FROM (SELECT v AS o FROM b WHERE b.v = a.k) AS q) AS o, (SELECT count(*) FROM b WHERE b.v % 2 = a.k % 2) AS odd,
  (SELECT count(*) FROM b WHERE a.k = 1) AS one, (SELECT count(*) FROM b JOIN c ON b.k = c.k AND b.v > a.k) AS above FROM a ORDER BY k;
-- Fields of the query around.
SELECT k, (SELECT count(*) FROM b WHERE b.id <= a.p.n AND b.v < a.p.q.z) AS n FROM a ORDER BY k;
SELECT k FROM a WHERE EXISTS (SELECT 1 FROM b WHERE b.id = p.q.z);
-- A table that is called like the struct.
SELECT a.k FROM a WHERE EXISTS (SELECT 1 FROM b AS p WHERE p.id = a.p.n) ORDER BY k;
SELECT a.k, (SELECT count(*) FROM b AS p WHERE p.id <= a.p.q.z) AS n FROM a ORDER BY k;
