-- A row of a primary key has all its columns in the key's group, as the row is now.
CREATE TABLE owners (id INT PRIMARY KEY, name VARCHAR, city VARCHAR);
CREATE TABLE pets (owner INT, weight INT);
CREATE VIEW weights AS SELECT o.id, o.name, sum(p.weight) AS kg FROM owners AS o LEFT JOIN pets AS p ON p.owner = o.id GROUP BY o.id HAVING o.city <> 'Rome';
INSERT INTO owners VALUES (1, 'Ann', 'Oslo'), (2, 'Bo', 'Rome'), (3, 'Cy', 'Bern');
INSERT INTO pets VALUES (1, 4), (1, 5), (2, 7);
INSERT INTO owners VALUES (1, 'Anna', 'Oslo'), (2, 'Bo', 'Pisa');
SELECT * FROM weights ORDER BY id;
SELECT id, upper(name) AS name, count(*) AS n FROM owners GROUP BY id ORDER BY city;
