-- Least and greatest beside an aggregate that is computed anew; NaN is the greatest of all; lists and structs have an order too.
CREATE TABLE t (id INT, x DOUBLE); INSERT INTO t VALUES (1,1.0),(2,CAST('NaN' AS DOUBLE)),(3,2.0);
SELECT CAST(min(x) AS VARCHAR) AS mn, CAST(max(x) AS VARCHAR) AS mx FROM t;
SELECT CAST(min(x) AS VARCHAR) AS mn, CAST(max(x) AS VARCHAR) AS mx, median(id) AS m FROM t;
SELECT id % 2 AS k, CAST(min(x) AS VARCHAR) AS mn, median(id) AS m, CAST(max(x) AS VARCHAR) AS mx FROM t GROUP BY id % 2;
SELECT DISTINCT CAST(max(x) OVER () AS VARCHAR) AS mx, CAST(min(x) OVER () AS VARCHAR) AS mn FROM t;
SELECT CAST(min(-1/(x-x)) AS VARCHAR) AS a, median(id) AS m FROM t WHERE id = 1;
CREATE TABLE u (k INT, l INT[]); CREATE VIEW v AS SELECT k, max(l) AS m FROM u GROUP BY k;
INSERT INTO u VALUES (1, [1,2]); INSERT INTO u VALUES (1, [3]); SELECT * FROM v;
SELECT max(l) AS m, min(l) AS n FROM u;
CREATE TABLE w (k INT, l INT[]); CREATE VIEW vw AS SELECT k, max(l) AS m, min(named_struct('a', k, 'b', l)) AS s, max(named_struct('a', l)) AS z FROM w GROUP BY ROLLUP (k);
INSERT INTO w VALUES (1, [1,2]), (1, NULL), (2, []); INSERT INTO w VALUES (1, [3]); DELETE FROM w WHERE l = [3]; SELECT * FROM vw ORDER BY k NULLS LAST;
-- Within a list or struct a null is the greatest, as in orders.
CREATE TABLE holes (l INT[]);
INSERT INTO holes VALUES ([1, 2]), ([1, NULL, 3]);
INSERT INTO holes VALUES ([NULL, 2]);
SELECT max(l) AS m, min(l) AS n, max(named_struct('a', l[1], 'b', l[2])) AS s, min(named_struct('a', l[1], 'b', l[2])) AS z FROM holes;
SELECT l FROM holes ORDER BY l;
