CREATE VIEW v AS SELECT device, now() AS seen FROM readings;
