-- Subqueries in ON CONFLICT DO UPDATE: a plain name is a column of what is nearest, and only then one of the table.
CREATE TABLE t (k BIGINT PRIMARY KEY, v BIGINT);
CREATE TABLE u (k BIGINT, w BIGINT);
INSERT INTO u VALUES (7, 1), (9, 2);
INSERT INTO t VALUES (1, 10), (2, 20);
INSERT INTO t VALUES (1, 0), (3, 30) ON CONFLICT (k) DO UPDATE SET v = (SELECT max(k) FROM u);
INSERT INTO t VALUES (1, 5), (2, 5) ON CONFLICT (k) DO UPDATE SET v = v + (SELECT max(k) FROM u WHERE w = t.k AND u.w < EXCLUDED.v)
  WHERE EXISTS (SELECT 1 FROM u WHERE w = v / 10);
INSERT INTO t VALUES (3, 4) ON CONFLICT (k) DO UPDATE SET v = v * 100 + excluded.v WHERE k IN (SELECT w + 1 FROM u);
SELECT * FROM t ORDER BY k;
