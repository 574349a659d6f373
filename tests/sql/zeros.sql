-- Minus zero and zero are one group, one partition and one rank, and one value in an order.
CREATE TABLE a (id INT PRIMARY KEY, x DOUBLE, y FLOAT);
INSERT INTO a VALUES (1, 0.0, 1), (2, CAST('-0.0' AS DOUBLE), 5), (3, 1, 0), (4, 1, CAST('-0.0' AS FLOAT));
SELECT x, max(y) AS m, median(y) AS d, count(*) AS n FROM a GROUP BY x;
SELECT id, count(*) OVER (PARTITION BY x) AS n, rank() OVER (ORDER BY x) AS r, dense_rank() OVER (PARTITION BY x ORDER BY y) AS d FROM a;
SELECT DISTINCT ON (x) id FROM a ORDER BY x, id;
SELECT id FROM a ORDER BY x, id DESC LIMIT 2;
SELECT id FROM (SELECT id, row_number() OVER (PARTITION BY y ORDER BY id DESC) AS n FROM a) WHERE n = 1;
SELECT count(*) AS n FROM a JOIN a AS b ON a.x = b.x;
UPDATE a SET y = y WHERE x IN (SELECT x FROM a WHERE id = 2);
DELETE FROM a WHERE id = 1;
-- An order that says a thing twice.
CREATE TABLE o (id INT, x DOUBLE);
INSERT INTO o SELECT DISTINCT ON (x) id, x FROM a ORDER BY x, id, x, id;
INSERT INTO o SELECT first_value(id ORDER BY y, id, y), 9 FROM a;
SELECT * FROM o;
