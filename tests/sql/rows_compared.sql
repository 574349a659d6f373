-- Rows of several values, compared value by value: what is null is unknown.
CREATE TABLE a (k BIGINT, v BIGINT);
CREATE TABLE b (k BIGINT, v BIGINT);
INSERT INTO a VALUES (1, NULL), (2, 2), (3, 5);
INSERT INTO b VALUES (1, NULL), (2, 2);
SELECT a.k FROM a JOIN b ON (a.k, a.v) = (b.k, b.v);
SELECT a.k, b.k AS other FROM a LEFT JOIN b ON (a.k, a.v) = (b.k, b.v) ORDER BY a.k;
SELECT k FROM a WHERE (k, v) NOT IN ((1, 2), (7, 7)) ORDER BY k;
SELECT k, (k, v) IN ((2, 2), (1, 7), (3, NULL)) AS found FROM a ORDER BY k;
SELECT k FROM a WHERE (k, v) <> (1, 1) ORDER BY k;
SELECT k, (v, k) < (2, 3) AS less, (v, k) <= (2, 2) AS at_most, (k, v) >= (2, 2) AS at_least, (k, v) > (3, 4) AS more FROM a ORDER BY k;
-- In brackets, as ROW, between two, and where null is a value.
SELECT k FROM a WHERE NOT (((k, v)) = (1, 2)) ORDER BY k;
SELECT k FROM a WHERE NOT (ROW(k, v) = ROW(1, 2)) AND (k, v) <> ROW(3, 5);
SELECT k FROM a WHERE NOT ((k, v) BETWEEN (1, 1) AND (1, 5)) ORDER BY k;
SELECT k FROM a WHERE (k + 0, v) IS NOT DISTINCT FROM (1, NULL);
SELECT k FROM a WHERE (k, v) IS DISTINCT FROM (1, NULL) ORDER BY k;
