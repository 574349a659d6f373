-- A change log of a table with a key: updates that do not tell what was, deletes that tell the key alone, a truncation.
CREATE TABLE src (id BIGINT PRIMARY KEY, name VARCHAR NOT NULL, n BIGINT, twice AS n * 2)
  WITH (connector = 'file', path = 'changes_with_key.json', format = 'debezium_json');
SELECT * FROM src;
INSERT INTO src VALUES (3, 'd', 4);
SELECT * FROM src;
