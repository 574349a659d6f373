-- A change log in, changes out; the file written is read back as a table.
CREATE TABLE src (id BIGINT, v BIGINT) WITH (connector = 'file', path = 'changes.json', format = 'debezium_json', type = 'source');
SELECT * FROM src;
SELECT sum(v) AS total FROM src;
