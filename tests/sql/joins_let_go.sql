-- A join by windows lets go of both sides once the watermark of both has closed a window; what comes then is late.
CREATE TABLE requests (id BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND);
CREATE TABLE answers (id BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND);
CREATE VIEW answered AS
  SELECT r.id, r.window_start, a.ts AS answered_at
  FROM tumble(requests, ts, INTERVAL '10' SECOND) r
  LEFT JOIN tumble(answers, ts, INTERVAL '10' SECOND) a ON r.id = a.id AND r.window_start = a.window_start;
INSERT INTO requests VALUES (1, '2024-01-01 00:00:01'), (2, '2024-01-01 00:00:02'), (3, '2024-01-01 00:00:31');
INSERT INTO answers VALUES (1, '2024-01-01 00:00:04');
-- The watermark of requests is at 26 s, that of answers at −1 s: nothing is closed yet.
INSERT INTO answers VALUES (2, '2024-01-01 00:00:09'), (3, '2024-01-01 00:00:32');
-- Both are beyond 10 s: the first window is closed.
INSERT INTO answers VALUES (1, '2024-01-01 00:00:05'), (3, '2024-01-01 00:00:33');
EXPLAIN answered;
SELECT * FROM late_rows;
SELECT * FROM answered ORDER BY id, answered_at;
