-- A view that parses, one that does not fit, one that is not supported yet.
CREATE VIEW good AS SELECT device, max(rms) AS rms FROM figures GROUP BY device;
CREATE VIEW unfit AS
SELECT device, rns FROM figures;
CREATE VIEW later AS SELECT device, now() AS at FROM figures;
