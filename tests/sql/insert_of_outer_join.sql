-- Rows of a statement are computed as a batch, and a condition on the side of an outer join that is filled with nulls holds there too.
CREATE TABLE sensors (id BIGINT, device BIGINT, place BIGINT);
CREATE TABLE found (id BIGINT);
INSERT INTO sensors VALUES (7, 12, 3);
INSERT INTO found SELECT b.id FROM sensors AS a FULL JOIN sensors AS b ON a.place = b.device
    WHERE CASE WHEN b.device IS NOT NULL THEN a.device IS NOT NULL ELSE b.place IS NOT NULL END;
SELECT count(*) AS n FROM found;
SELECT count(*) AS n FROM sensors AS a FULL JOIN sensors AS b ON a.place = b.device
    WHERE CASE WHEN b.device IS NOT NULL THEN a.device IS NOT NULL ELSE b.place IS NOT NULL END;
