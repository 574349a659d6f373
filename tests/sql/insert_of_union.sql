-- What is put in from a union whose parts have constants that differ is in its order.
CREATE TABLE t (x BIGINT, y VARCHAR);
CREATE TABLE firsts (d DATE);
INSERT INTO t VALUES (0, 'it''s'), (0, '10');
INSERT INTO firsts WITH c AS (SELECT x AS c0 FROM t) SELECT c2 FROM (
  (SELECT CAST(4611686018427387904 AS BIGINT) AS c0, CAST(character_length(CAST(w3.c0 AS VARCHAR)) AS BIGINT) AS c1, DATE '2024-01-03' AS c2 FROM c AS w3)
  UNION ALL (SELECT CAST(-1 AS BIGINT) AS c0, CAST(CAST((w4.c0 % 100 + 2) AS INT) AS BIGINT) AS c1, DATE '1969-12-31' AS c2 FROM c AS w4)
) AS q ORDER BY c2, c1 ASC NULLS FIRST, c0 LIMIT 2;
SELECT * FROM firsts;
