-- Conditions on the clock: rows come and go as it moves, without any change of a table.
CREATE TABLE calls (device VARCHAR, ts TIMESTAMP, until TIMESTAMP);
CREATE VIEW recent AS SELECT device, ts FROM calls WHERE ts > now() - INTERVAL '1 hour' AND ts <= now();
CREATE VIEW busy AS SELECT device, count(*) AS n FROM recent GROUP BY device;
CREATE VIEW valid AS SELECT device FROM calls WHERE now() BETWEEN ts AND until;
-- Of rows of which no column is read there is only a number.
CREATE VIEW since AS SELECT count(*) AS n FROM calls WHERE now() >= TIMESTAMP '2024-01-01 12:20:00' AND now() < TIMESTAMP '2025-01-01';
SET now = TIMESTAMP '2024-01-01 12:00:00';
INSERT INTO calls VALUES ('a', '2024-01-01 11:30:00', '2024-01-01 12:15:00'), ('a', '2024-01-01 12:10:00', NULL), ('b', '2024-01-01 10:00:00', '2024-01-02 00:00:00');
INSERT INTO calls VALUES ('c', now() - INTERVAL '59 minutes', now());
SET now = TIMESTAMP '2024-01-01 12:01:00';
SET now = TIMESTAMP '2024-01-01 12:20:00';
DELETE FROM calls WHERE device = 'a' AND ts = TIMESTAMP '2024-01-01 12:10:00';
SET now = TIMESTAMP '2024-01-02 12:20:00';
SELECT * FROM recent;
SELECT * FROM busy;
SELECT * FROM valid;
EXPLAIN valid;
SELECT * FROM since;
SELECT count(*) AS n FROM calls WHERE now() < TIMESTAMP '2000-01-01';
SELECT device FROM calls WHERE EXISTS (SELECT 1 FROM recent WHERE now() > TIMESTAMP '2000-01-01');
SELECT device FROM calls WHERE EXISTS (SELECT 1 FROM calls WHERE now() > TIMESTAMP '2000-01-01');
SELECT device FROM calls WHERE EXISTS (SELECT count(*) FROM calls HAVING now() < TIMESTAMP '2000-01-01');
-- The day of the clock, in changes too.
CREATE TABLE days (d DATE, made DATE DEFAULT current_date);
INSERT INTO days (d) VALUES (current_date), (current_date - INTERVAL '3 days'), ('2024-01-03');
SELECT * FROM days ORDER BY d;
SELECT d FROM days WHERE d = current_date;
SELECT d FROM days WHERE d >= current_date - INTERVAL '3 days' AND d < date_trunc('day', now());
-- Until ever.
CREATE TABLE offers (id INT, until TIMESTAMP);
INSERT INTO offers VALUES (1, '9999-12-31 00:00:00'), (2, '0001-01-01 00:00:00');
SELECT id FROM offers WHERE until > current_date;
SELECT id FROM offers WHERE NOT (until >= CAST(now() AS DATE)) AND current_date <= DATE '2300-01-01';
SELECT * FROM row_errors;
-- How old a row is.
SET now = TIMESTAMP '2024-01-03 00:00:00';
CREATE TABLE seen (id INT, ts TIMESTAMP);
CREATE VIEW young AS SELECT id FROM seen WHERE now() - ts < INTERVAL '1 hour' AND INTERVAL '2' HOUR > (ts - now());
INSERT INTO seen VALUES (1, '2024-01-02 23:30:00'), (2, '2024-01-03 01:00:00'), (3, '2024-01-03 03:30:00');
SET now = TIMESTAMP '2024-01-03 00:30:00';
SET now = TIMESTAMP '2024-01-03 01:45:00';
SELECT * FROM young;
