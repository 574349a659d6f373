-- Decimals of files are rounded as SQL rounds them; a number that a file has exactly is that number.
CREATE TABLE j (k BIGINT, d DECIMAL(20, 2)) WITH (path = 'numbers.json');
CREATE TABLE c (k BIGINT, d DECIMAL(20, 2)) WITH (path = 'numbers.csv');
CREATE TABLE z (k BIGINT, d DECIMAL(20, 2)) WITH (path = 'numbers_changes.json', format = 'debezium_json');
SELECT j.k, CAST('0.009' AS DECIMAL(20, 2)) AS said, j.d AS json, c.d AS csv, z.d AS debezium FROM j JOIN c ON j.k = c.k JOIN z ON j.k = z.k ORDER BY k;
