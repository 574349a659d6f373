-- IN as a value has its three answers: with nulls on either side, with none at all, and of types that are compared as floats.
CREATE TABLE a (x BIGINT, f DOUBLE);
CREATE TABLE b (y BIGINT);
CREATE TABLE empty (y BIGINT);
INSERT INTO a VALUES (1, 9007199254740992.0), (2, 2.0), (NULL, NULL), (3, 2.5);
INSERT INTO b VALUES (1), (1), (9007199254740993), (9007199254740992);
CREATE VIEW v AS SELECT x, x IN (SELECT y FROM b) AS i, x NOT IN (SELECT y FROM b) AS n, f IN (SELECT y FROM b) AS f,
  x IN (SELECT y FROM empty) AS e, x = ANY (SELECT y FROM b) AS some, x <> ALL (SELECT y FROM b) AS none,
  CASE WHEN x + 1 IN (SELECT y FROM b WHERE y < 5) THEN 'next' ELSE 'no' END AS c FROM a;
SELECT * FROM v;
SELECT x IN (SELECT y FROM b) AS i, count(*) AS n FROM a GROUP BY x IN (SELECT y FROM b);
INSERT INTO b VALUES (NULL);
DELETE FROM b WHERE y = 1;
INSERT INTO b VALUES (3);
EXPLAIN SELECT x IN (SELECT y FROM b) AS i FROM a;
-- A column may be named as the mark is; the list may stand within a subquery that reads the query around it.
CREATE TABLE named (mark BIGINT, name VARCHAR);
INSERT INTO named VALUES (3, 'c'), (4, 'd');
SELECT mark, n IN (SELECT y FROM b) AS i FROM (SELECT name AS mark, mark AS n FROM named);
SELECT mark, l.i FROM named, LATERAL (SELECT named.mark IN (SELECT y FROM b) AS i) AS l;
SELECT mark, (SELECT max(CASE WHEN b.y IN (SELECT mark FROM named) THEN 1 ELSE 0 END) FROM b WHERE b.y = named.mark) AS i FROM named;
