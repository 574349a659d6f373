-- What is not a whole number does not become one.
CREATE TABLE j (k BIGINT, d BIGINT) WITH (path = 'fractions.json');
SELECT * FROM j;
