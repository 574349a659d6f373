CREATE TABLE orders (id INT PRIMARY KEY, customer VARCHAR, amount DECIMAL(10, 2));
CREATE TABLE customers (name VARCHAR, city VARCHAR);
CREATE VIEW per_city AS
SELECT c.city, count(*) AS n, sum(o.amount) AS total, max(o.amount) AS largest
FROM orders o JOIN customers c ON o.customer = c.name GROUP BY c.city;
INSERT INTO customers VALUES ('ann', 'Oslo'), ('bob', 'Rome');
INSERT INTO orders VALUES (1, 'ann', 10.00), (2, 'bob', 5.50);
BEGIN;
INSERT INTO orders VALUES (3, 'ann', 2.25);
UPDATE orders SET amount = amount * 2 WHERE customer = 'bob';
COMMIT;
-- The largest goes, and it is not the oldest.
INSERT INTO orders VALUES (4, 'ann', 99.00);
DELETE FROM orders WHERE id = 4;
-- An existing key: the row is replaced.
INSERT INTO orders VALUES (3, 'bob', 7.75);
SELECT * FROM per_city ORDER BY total DESC;
SELECT count(*) AS n, sum(amount) AS total FROM orders WHERE amount > 1000;
