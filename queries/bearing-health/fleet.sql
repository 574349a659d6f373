-- What each device reports, by kind of fault.
CREATE VIEW device_faults AS
SELECT device, fault, count(*) AS n, avg(score) AS mean_score, max(ts) AS ts
FROM exceptions
GROUP BY device, fault;

-- Devices that report anything at all.
CREATE VIEW suspects AS
SELECT device, sum(n) AS n, max(n) AS n_main, max(ts) AS ts
FROM device_faults
GROUP BY device;

-- The more a device has shown, the more closely it is watched. Its changes are the deltas that reconfigure the devices.
-- The last step is larger than the devices allow at a time: they refuse it, and keep what they have.
CREATE VIEW tuned_threshold AS
SELECT device, CASE WHEN n >= 60 THEN 0.45 WHEN n >= 12 THEN 0.70 ELSE 0.75 END AS threshold
FROM suspects
WHERE n >= 4;

-- Devices that keep reporting one fault with confidence: their motors are to be stopped.
CREATE VIEW failing_bearings AS
SELECT device, fault, max(ts) AS ts
FROM (SELECT device, fault, n, mean_score, ts FROM device_faults WHERE n >= 40 AND mean_score >= 0.9)
GROUP BY device, fault;

-- Share of exceptions that contradict what their device mostly says.
CREATE VIEW contradicting_share AS
SELECT 1.0 - CAST(sum(n_main) AS DOUBLE) / CAST(sum(n) AS DOUBLE) AS share
FROM suspects;
