-- VALUES are typed by the columns that they go into, where rows write them differently.
CREATE TABLE d (v DOUBLE); INSERT INTO d VALUES (1),('NaN'),(2.5),(NULL); SELECT * FROM d ORDER BY v;
CREATE TABLE e (i BIGINT, d DECIMAL(38,10), t TIMESTAMP, s VARCHAR, b BOOLEAN, dt DATE, l BIGINT[], f REAL);
INSERT INTO e VALUES (1, 1234567890123456789, '2024-01-01 00:00:00', 'x', true, '2024-01-01', [1], 1), ('2', 0.5, TIMESTAMP '2024-01-01 00:00:01', 2, 'false', DATE '2024-01-02', [1,2], '1.5');
SELECT * FROM e ORDER BY i;
-- Numbers with a point are what they say in a column of decimals.
CREATE TABLE exact (id INT PRIMARY KEY, d DECIMAL(20, 2), e DECIMAL(38, 10));
INSERT INTO exact VALUES (1, 12345678901234567.89, 1234567890123456789012345678.0123456789), (2, -1.005, 0.1), (3, 2.675, -0.00000000005), (4, 7, NULL);
UPDATE exact SET d = 99999999999999999.99 WHERE id = 4;
MERGE INTO exact USING (VALUES (5)) AS more (id) ON exact.id = more.id WHEN NOT MATCHED THEN INSERT (id, d) VALUES (more.id, -12345678901234567.89);
SELECT * FROM exact;
