-- Windows of three seconds every four: a row in the second between two of them is in none.
CREATE TABLE visits (id BIGINT, ts TIMESTAMP);
INSERT INTO visits VALUES (1, TIMESTAMP '2024-01-01 00:00:03'), (2, TIMESTAMP '2023-12-31 23:59:50'), (3, TIMESTAMP '2024-01-01 00:00:04');
SELECT window_start, count(*) AS n, sum(id) AS ids
FROM hop(visits, ts, INTERVAL '4' SECOND, INTERVAL '3' SECOND) GROUP BY window_start ORDER BY window_start;
