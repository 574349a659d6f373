-- Windows on the clock of a zone, where days have 23 and 25 hours; months; sizes as text; times that are left out.
CREATE TABLE meter (id BIGINT, kwh BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '1' HOUR);
CREATE VIEW daily AS SELECT window_start, window_end, count(*) AS n, sum(kwh) AS kwh
  FROM tumble(meter, ts, INTERVAL '1' DAY, 'Europe/Berlin') GROUP BY window_start, window_end EMIT FINAL;
INSERT INTO meter VALUES (1, 10, '2024-03-30 22:59:59'), (2, 20, '2024-03-30 23:00:00'), (3, 30, '2024-03-31 21:59:59');
INSERT INTO meter VALUES (4, 40, '2024-03-31 23:00:00');
INSERT INTO meter VALUES (5, 50, '2024-03-31 21:00:00'), (6, 60, '2024-03-31 22:00:00');
INSERT INTO meter VALUES (7, 70, '2024-10-26 22:00:00'), (8, 80, '2024-10-27 22:59:59');
SELECT * FROM daily ORDER BY window_start;
SELECT row FROM late_rows;
SELECT tumble(ts, '1 month', 'Europe/Berlin')['start'] AS month, sum(kwh) AS kwh FROM meter GROUP BY tumble(ts, '1 month', 'Europe/Berlin') ORDER BY month;
SELECT tumble_start(ts, INTERVAL '3' MONTH) AS quarter, sum(kwh) AS kwh FROM meter GROUP BY tumble_start(ts, INTERVAL '3' MONTH) ORDER BY quarter;
SELECT window_start, window_end, sum(kwh) AS kwh FROM hop(meter, ts, '1 month', '2 months') WHERE id < 4 GROUP BY window_start, window_end ORDER BY window_start;
SELECT window_start, window_end, sum(kwh) AS kwh FROM hop(meter, ts, '1 day', '2 days', 'Europe/Berlin') WHERE id < 4 GROUP BY window_start, window_end ORDER BY window_start;
SELECT window_start, window_end, sum(kwh) AS kwh FROM cumulate(meter, ts, '12 hours', '1 day', 'Europe/Berlin') WHERE id > 6 GROUP BY window_start, window_end ORDER BY window_end;
SELECT tumble_start(ts, '6 hours', 'Europe/Berlin') AS shift, tumble_end(ts, '6 hours', 'Europe/Berlin') AS until, count(*) AS n FROM meter WHERE id IN (2, 7) GROUP BY 1, 2 ORDER BY shift;
CREATE TABLE zoned (ts TIMESTAMPTZ, WATERMARK FOR ts);
INSERT INTO zoned VALUES ('2024-03-31T01:00:00+02:00'), ('2024-03-31T23:59:59+02:00');
SELECT tumble_start(ts, '1 day', 'Europe/Berlin') AS berlin, tumble_start(ts, '1 day') AS utc, count(*) AS n FROM zoned GROUP BY 1, 2 ORDER BY utc;
SELECT date_trunc('day', ts AT TIME ZONE 'Europe/Berlin') AS day, tumble_end(ts AT TIME ZONE 'Europe/Berlin', '1 day') AS until FROM zoned ORDER BY day;
SELECT tumble('1 hour')['start'] AS hour, count(*) AS n FROM zoned GROUP BY tumble('1 hour') ORDER BY hour;
