-- Columns of a file are found by name also where its rows are loaded: with a key, a computed column, an idle mark, or for a statement.
CREATE TABLE read (amount BIGINT, id BIGINT) WITH (connector = 'file', path = 'orders.csv');
CREATE TABLE keyed (amount BIGINT, id BIGINT PRIMARY KEY) WITH (connector = 'file', path = 'orders.csv');
CREATE TABLE computed (amount BIGINT, id BIGINT, twice AS amount * 2) WITH (connector = 'file', path = 'orders.csv');
CREATE TABLE held (amount BIGINT, id BIGINT) WITH (connector = 'file', path = 'orders.csv');
DELETE FROM held WHERE id = 1;
SELECT * FROM read ORDER BY id;
SELECT * FROM keyed ORDER BY id;
SELECT * FROM computed ORDER BY id;
SELECT * FROM held ORDER BY id;
