-- A row that is there twice as often with each round ends the run before it cannot be counted.
CREATE TABLE e (a INT, b INT); INSERT INTO e VALUES (1,1),(1,1);
WITH RECURSIVE r(a) AS (SELECT 1 UNION ALL SELECT e.b FROM r JOIN e ON r.a=e.a) SELECT a, count(*) AS n FROM r GROUP BY a;
