-- Integers that leave their type: the row or group is an error for as long as they do.
CREATE TABLE t (id BIGINT PRIMARY KEY, k TEXT, v BIGINT, w INT, u BIGINT UNSIGNED);
INSERT INTO t VALUES (1, 'a', 9223372036854775807, 2147483647, 18446744073709551615), (2, 'a', 1, 1, 1), (3, 'b', 5, -2147483648, 5);

CREATE VIEW sums AS SELECT k, sum(v) AS s, sum(w) AS sw, sum(u) AS su, count(*) AS n FROM t GROUP BY k;
CREATE VIEW rows_of AS SELECT id, w + w AS double, v + 1 AS next, -w AS minus, v * 2 AS twice FROM t;
CREATE VIEW running AS SELECT id, sum(v) OVER (PARTITION BY k ORDER BY id) AS so_far FROM t;
CREATE VIEW anew AS SELECT k, median(w) AS m, sum(v) AS s FROM t GROUP BY k;
SELECT * FROM sums;
SELECT * FROM rows_of;
SELECT * FROM running;
SELECT * FROM anew;
SELECT k, sum(DISTINCT v) AS s FROM t GROUP BY ROLLUP (k) HAVING sum(DISTINCT v) > 3;
SELECT sum(v) FILTER (WHERE id <> 2) AS s, avg(v) AS a FROM t WHERE k = 'a';
SELECT id FROM t WHERE v - -1 < 100;
-- A constant that leaves its type, and one that does not.
SELECT 9223372036854775807 + 1 AS x;
SELECT 9223372036854775807 + 0 AS x, 2147483647 + 1 AS y, -(-9223372036854775807) AS z;

DELETE FROM t WHERE id = 2;
SELECT * FROM sums;
SELECT * FROM running;
SELECT * FROM row_errors;
-- The difference of dates is a number as well.
CREATE TABLE d (id INT, a DATE, b DATE);
INSERT INTO d VALUES (1, DATE '2024-01-05', DATE '2024-01-01'), (2, DATE '2024-01-05', DATE '2024-01-01');
SELECT sum(a - b) AS days, sum((a - b) * 2) AS twice FROM d;
SELECT id, sum((a - b) * 2305843009213693951) OVER (ORDER BY id) AS s FROM d;
SELECT id, (a - b) * 4611686018427387904 AS product FROM d;
