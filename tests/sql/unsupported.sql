SELECT device, rank() OVER (ORDER BY temperature) FROM readings;
