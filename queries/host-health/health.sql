-- Load of each machine by minute.
CREATE VIEW load_per_minute AS
SELECT device, tumble_start(ts, INTERVAL '1' MINUTE) AS minute, count(*) AS n, avg(cpu) AS cpu, max(memory_used_share) AS memory_used_share
FROM readings
GROUP BY device, tumble_start(ts, INTERVAL '1' MINUTE);

-- A machine that has been under strain is watched more closely.
CREATE VIEW tuned_cpu_limit AS
SELECT device, CASE WHEN n >= 5 THEN 75.0 ELSE 85.0 END AS cpu_limit
FROM (SELECT device, count(*) AS n FROM strained GROUP BY device);

-- Machines whose disk or memory is nearly gone.
CREATE VIEW exhausted AS
SELECT device, max(disk_used_share) AS disk_used_share, max(memory_used_share) AS memory_used_share
FROM strained
WHERE disk_used_share >= 0.95 OR memory_used_share >= 0.95
GROUP BY device;

CREATE VIEW mean_cpu AS SELECT avg(cpu) AS cpu FROM readings;
