-- Subqueries that read the query around them, lists taken apart, and values of one row.
CREATE TABLE orders (id BIGINT, customer VARCHAR, items BIGINT[], total BIGINT);
CREATE TABLE customers (name VARCHAR, city VARCHAR);
INSERT INTO customers VALUES ('ann', 'Ulm'), ('bob', 'Bonn'), ('cid', 'Ulm');
INSERT INTO orders VALUES (1, 'ann', [7, 8], 10), (2, 'ann', [], 30), (3, 'bob', NULL, 20), (4, 'ann', [9], 20);
CREATE VIEW lines AS SELECT id, item, line FROM orders LEFT JOIN UNNEST(items) WITH ORDINALITY AS i(item, line) ON true;
SELECT * FROM lines ORDER BY id, line;
SELECT name, best.id, best.total FROM customers LEFT JOIN LATERAL
  (SELECT id, total FROM orders WHERE customer = name ORDER BY total DESC, id LIMIT 2) AS best ON true ORDER BY name, best.id;
SELECT id, field, value FROM orders CROSS JOIN LATERAL (VALUES ('total', total), ('items', CAST(cardinality(items) AS BIGINT))) AS f(field, value)
  ORDER BY id, field;
DELETE FROM orders WHERE id = 2;
SELECT name, (SELECT id FROM orders WHERE customer = name ORDER BY total DESC LIMIT 1) AS dearest,
  (SELECT count(*) FROM orders WHERE total <= length(name) * 6) AS cheap FROM customers ORDER BY name;
SELECT id, n FROM orders, generate_series(1, total / 10) AS n ORDER BY id, n;
SELECT name, (SELECT id FROM orders WHERE customer = name) AS only FROM customers ORDER BY name;
