-- VALUES are typed by the columns that they go into, where rows write them differently.
CREATE TABLE d (v DOUBLE); INSERT INTO d VALUES (1),('NaN'),(2.5),(NULL); SELECT * FROM d ORDER BY v;
CREATE TABLE e (i BIGINT, d DECIMAL(38,10), t TIMESTAMP, s VARCHAR, b BOOLEAN, dt DATE, l BIGINT[], f REAL);
INSERT INTO e VALUES (1, 1234567890123456789, '2024-01-01 00:00:00', 'x', true, '2024-01-01', [1], 1), ('2', 0.5, TIMESTAMP '2024-01-01 00:00:01', 2, 'false', DATE '2024-01-02', [1,2], '1.5');
SELECT * FROM e ORDER BY i;
