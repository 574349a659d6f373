-- A window may name another and add to it; each query has its own names.
CREATE TABLE t (tm INT, foo INT, bar INT);
INSERT INTO t VALUES (1, 1, 1), (2, 2, 1), (3, 3, 1), (4, 10, 2), (5, 20, 2);
SELECT tm, count(*) OVER (w ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS c FROM t WINDOW w AS (PARTITION BY bar ORDER BY tm) ORDER BY tm;
SELECT tm, sum(foo) OVER w2 AS s FROM t WINDOW w AS (PARTITION BY bar), w2 AS (w ORDER BY tm) ORDER BY tm;
SELECT
    tm,
    sum(foo) OVER w3 AS s,
    (SELECT max(x) FROM (SELECT sum(foo) OVER (w) AS x FROM t WINDOW w AS (ORDER BY tm)) AS q) AS m
FROM t
WINDOW w AS (PARTITION BY bar), w2 AS (w ORDER BY tm), w3 AS w2
ORDER BY sum(foo) OVER (w2) DESC;
SELECT bar, sum(foo) OVER (w) AS s FROM t WINDOW w AS (PARTITION BY bar)
UNION ALL
SELECT bar, count(*) OVER (w ORDER BY tm) FROM t WINDOW w AS (PARTITION BY bar);
