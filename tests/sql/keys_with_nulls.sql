-- A join that holds nulls equal, as correlated subqueries become and IS NOT DISTINCT FROM is, gets no key that does not.
CREATE TABLE a (k INT, s INT, v INT);
CREATE TABLE b (k INT, s INT, v INT);
CREATE VIEW least AS SELECT a.k, a.s FROM a WHERE a.s = (SELECT min(b.s) FROM b WHERE b.k = a.k AND b.s >= a.v);
CREATE VIEW both AS SELECT a.k, a.s, b.v FROM a JOIN b ON a.k IS NOT DISTINCT FROM b.k WHERE a.s = b.s;
CREATE VIEW three AS SELECT a.k, b.s, c.v FROM a JOIN b ON a.k IS NOT DISTINCT FROM b.k JOIN b AS c ON b.s = c.s;
CREATE VIEW counted AS
SELECT a.k, a.s, (SELECT count(*) FROM b WHERE b.s IS NOT DISTINCT FROM a.s) AS n FROM a, b WHERE a.k = b.k AND a.s = b.s;
INSERT INTO a VALUES (1, NULL, 2), (1, 3, 2), (NULL, NULL, 2), (NULL, 4, 1);
INSERT INTO b VALUES (1, NULL, 3), (1, 3, 5), (NULL, 4, 7), (NULL, NULL, 8);
SELECT * FROM least ORDER BY k, s;
SELECT * FROM both ORDER BY k, s;
SELECT * FROM three ORDER BY k, s, v;
SELECT * FROM counted ORDER BY k, s;
