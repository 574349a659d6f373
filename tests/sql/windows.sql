-- The last view is the answer where there is no SELECT.
CREATE VIEW per_window AS
SELECT tumble(ts, INTERVAL '10' SECOND) AS w, device, count(*) AS n, avg(temperature) AS mean
FROM readings GROUP BY tumble(ts, INTERVAL '10' SECOND), device;
CREATE VIEW flat AS SELECT w.start AS begins, device, n, mean FROM per_window;
