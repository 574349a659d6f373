-- A join within an interval lets go of rows that nothing can meet any more; what comes too late for those is late.
CREATE TABLE sent (id BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '2' SECOND);
CREATE TABLE heard (id BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '2' SECOND);
CREATE VIEW answered AS
  SELECT s.id, s.ts AS sent_at, h.ts AS heard_at FROM sent s
  LEFT JOIN heard h ON s.id = h.id AND h.ts BETWEEN s.ts AND s.ts + INTERVAL '10' SECOND;
-- Windows of what it gives close 10 s later, for an answer may be so much later.
CREATE VIEW counted AS
  SELECT tumble_start(sent_at, INTERVAL '10' SECOND) AS w, count(*) AS n, count(heard_at) AS answers FROM answered
  GROUP BY tumble_start(sent_at, INTERVAL '10' SECOND) EMIT FINAL;
INSERT INTO sent VALUES (1, '2024-01-01 00:00:01'), (2, '2024-01-01 00:00:02'), (3, NULL);
INSERT INTO heard VALUES (1, '2024-01-01 00:00:04');
-- The watermark of both comes to 12 s: what was sent until 1.999 s is let go of, and a row from before 12 s is late from now on.
INSERT INTO sent VALUES (4, '2024-01-01 00:00:14');
INSERT INTO heard VALUES (2, '2024-01-01 00:00:12'), (4, '2024-01-01 00:00:14');
INSERT INTO heard VALUES (2, '2024-01-01 00:00:12'), (1, '2024-01-01 00:00:11');
INSERT INTO sent VALUES (1, '2024-01-01 00:00:03'), (5, '2024-01-01 00:00:31');
INSERT INTO heard VALUES (5, '2024-01-01 00:00:33');
EXPLAIN answered;
EXPLAIN counted;
SELECT * FROM late_rows;
SELECT * FROM answered ORDER BY id, heard_at;
SELECT * FROM counted ORDER BY w;
-- Bounds in other words, and of one side only.
EXPLAIN SELECT s.id FROM sent s JOIN heard h ON h.ts - s.ts <= INTERVAL '10' SECOND AND NOT h.ts < s.ts - INTERVAL '1' DAY;
EXPLAIN SELECT s.id FROM sent s WHERE EXISTS (SELECT 1 FROM heard h WHERE s.id = h.id AND s.ts + INTERVAL '1' SECOND > h.ts);
-- One bound lets nothing go.
EXPLAIN SELECT s.id FROM sent s JOIN heard h ON h.ts - s.ts <= INTERVAL '1' DAY;
-- Times that are equal but for a length are a key, which closes with the later of both.
EXPLAIN SELECT s.id FROM sent s JOIN heard h ON s.id = h.id AND h.ts = s.ts + INTERVAL '10' SECOND;
-- NOT IN keeps all rows.
EXPLAIN SELECT s.id FROM sent s WHERE s.id NOT IN (SELECT h.id FROM heard h WHERE h.ts BETWEEN s.ts AND s.ts + INTERVAL '10' SECOND);
