-- A join whose condition bounds times on one side only keeps all rows: what comes late still meets what comes later.
CREATE TABLE users (id BIGINT, name VARCHAR, since TIMESTAMP, WATERMARK FOR since AS since);
CREATE TABLE clicks (u BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts);
CREATE VIEW v AS SELECT c.u, c.ts, u.name FROM clicks c JOIN users u ON c.u = u.id AND c.ts >= u.since;
INSERT INTO users VALUES (1, 'ann', '2024-01-01 00:00:00'), (2, 'bob', '2024-01-01 00:00:10');
INSERT INTO clicks VALUES (1, '2024-01-01 00:00:20');
DELETE FROM users WHERE id = 1;
INSERT INTO users VALUES (3, 'cy', '2024-01-01 00:00:09');
INSERT INTO clicks VALUES (1, '2024-01-02 00:00:20'), (3, '2024-06-01 00:00:00');
SELECT * FROM v;
SELECT * FROM late_rows;
EXPLAIN SELECT c.u, c.ts, u.name FROM clicks c JOIN users u ON c.u = u.id AND c.ts >= u.since;
