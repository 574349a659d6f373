-- Lists with elements that are computed of the row; DuckDB's answers.
CREATE TABLE a (id INT, k INT);
INSERT INTO a VALUES (1, 2), (2, 3), (3, NULL);
INSERT INTO a VALUES (4, 2);
UPDATE a SET k = 2 WHERE id = 2;
SELECT id, 2 IN (1, CASE WHEN id = 9 THEN 1 ELSE k END) AS f, 2 NOT IN (1, CASE WHEN id = 9 THEN 1 ELSE k END) AS g FROM a;
SELECT id FROM a WHERE 2 IN (7, coalesce(k, 2));
SELECT id FROM a WHERE k NOT IN (k + 1, nullif(id, 2), 5);
SELECT id, k IN (id, k) AS own, k IN (1, 2, 3) AS some, k IN (1, NULL) AS may, NULL IN (1, k) AS none FROM a;
