-- NOT IN in statements that change tables: PostgreSQL's and DuckDB's answers.
CREATE TABLE a (id INT, k INT, v INT);
CREATE TABLE b (k INT, w INT);
INSERT INTO a VALUES (1, NULL, 2), (2, 1, 2), (3, 5, NULL), (4, 7, 9);
INSERT INTO b VALUES (2, NULL), (9, 7), (3, 3);
-- There is a null among the values.
DELETE FROM a WHERE 1 NOT IN (SELECT w FROM b);
SELECT id FROM a;
CREATE TABLE c (id INT, kind TEXT);
INSERT INTO c SELECT id, 'greater' FROM a WHERE k NOT IN (SELECT w FROM b WHERE b.k > a.v);
INSERT INTO c SELECT id, 'equal' FROM a WHERE k NOT IN (SELECT w FROM b WHERE b.k = a.v);
INSERT INTO c SELECT id, 'known' FROM a WHERE k NOT IN (SELECT w FROM b WHERE w IS NOT NULL);
INSERT INTO c SELECT id, 'none' FROM a WHERE NOT (k IN (SELECT w FROM b WHERE b.k > 100));
SELECT * FROM c;
UPDATE a SET v = -1 WHERE k NOT IN (SELECT w FROM b WHERE w IS NOT NULL);
SELECT * FROM a;
