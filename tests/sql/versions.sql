-- A table with a key as of a time, and a view of the newest row of each key: both have the versions that newer rows took the place of.
CREATE TABLE rates (currency TEXT, rate INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts, PRIMARY KEY (currency) NOT ENFORCED);
CREATE TABLE heard (ts TIMESTAMP(3), c TEXT, rate INT, WATERMARK FOR ts AS ts);
CREATE TABLE orders (id INT, currency TEXT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts);
CREATE VIEW newest AS
SELECT c AS currency, rate, ts
FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY c ORDER BY ts DESC) AS rn FROM heard) AS numbered
WHERE rn = 1;
CREATE VIEW priced AS
SELECT o.id, r.rate, n.rate AS heard
FROM orders AS o
LEFT JOIN rates FOR SYSTEM_TIME AS OF o.ts AS r ON o.currency = r.currency
LEFT JOIN newest FOR SYSTEM_TIME AS OF o.ts AS n ON n.currency = o.currency;
INSERT INTO rates VALUES ('Euro', 114, '2024-01-01 10:45:00'), ('Euro', 119, '2024-01-01 11:15:00'), ('Yen', 1, '2024-01-01 10:00:00');
INSERT INTO heard SELECT ts, currency, rate + 1000 FROM (VALUES ('Euro', 114, TIMESTAMP '2024-01-01 10:45:00'), ('Euro', 119, TIMESTAMP '2024-01-01 11:15:00'), ('Yen', 1, TIMESTAMP '2024-01-01 10:00:00')) AS v (currency, rate, ts);
INSERT INTO orders VALUES
(1, 'Euro', '2024-01-01 11:00:00'), (2, 'Euro', '2024-01-01 11:20:00'), (3, 'Yen', '2024-01-01 09:00:00'), (4, 'Yen', '2024-01-01 10:00:00');
INSERT INTO rates VALUES ('Euro', 120, '2024-01-01 11:15:00'), ('Euro', 125, '2024-01-01 11:30:00');
INSERT INTO orders VALUES (5, 'Euro', '2024-01-01 11:31:00');
SELECT * FROM priced ORDER BY id;
SELECT * FROM rates ORDER BY currency;
SELECT * FROM newest ORDER BY currency;
SHOW TABLES;
EXPLAIN priced;
-- What is put into a table may be read from it.
INSERT INTO rates SELECT currency, rate + 1, ts + INTERVAL '3 hours' FROM rates;
INSERT INTO orders VALUES (6, 'Yen', '2024-01-01 12:59:00'), (7, 'Yen', '2024-01-01 13:01:00'), (8, 'Euro', '2024-01-01 14:30:00');
SELECT id, rate FROM priced WHERE id > 5 ORDER BY id;
-- A row without a time is no version of it.
INSERT INTO rates VALUES ('Yen', 9, NULL);
INSERT INTO orders VALUES (9, 'Yen', '2024-01-01 15:00:00');
SELECT id, rate FROM priced WHERE id = 9;
SELECT rate FROM rates WHERE currency = 'Yen';
