CREATE TABLE t (id INT, text VARCHAR);
INSERT INTO t VALUES (1, '10'), (2, 'ten'), (3, '30');
CREATE VIEW numbers AS SELECT id, CAST(text AS INT) AS number FROM t;
SELECT sum(number) AS total FROM numbers;
DELETE FROM t WHERE id = 2;
SELECT sum(number) AS total FROM numbers;
