-- Who came and opened an auction within the same 10 seconds?
CREATE VIEW q8_persons AS
SELECT id, name, w['start'] AS starttime, w['end'] AS endtime
FROM (
    SELECT id, name, tumble(date_time, INTERVAL '10' SECOND) AS w
    FROM person
    GROUP BY id, name, tumble(date_time, INTERVAL '10' SECOND)
) AS came;

CREATE VIEW q8_sellers AS
SELECT seller, w['start'] AS starttime, w['end'] AS endtime
FROM (
    SELECT seller, tumble(date_time, INTERVAL '10' SECOND) AS w
    FROM auction
    GROUP BY seller, tumble(date_time, INTERVAL '10' SECOND)
) AS sold;

CREATE VIEW q8 AS
SELECT p.id, p.name, p.starttime
FROM q8_persons AS p
INNER JOIN q8_sellers AS s ON p.id = s.seller AND p.starttime = s.starttime AND p.endtime = s.endtime;
