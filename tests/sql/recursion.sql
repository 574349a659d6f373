-- A result that reads itself twice, follows edges that come and go.
CREATE TABLE road (a VARCHAR, b VARCHAR, km BIGINT);
CREATE TABLE closed (town VARCHAR);
INSERT INTO road VALUES ('Ulm', 'Aalen', 70), ('Aalen', 'Crailsheim', 40), ('Crailsheim', 'Ansbach', 50), ('Ansbach', 'Ulm', 120);
CREATE VIEW reach AS
  WITH RECURSIVE r(a, b) AS (SELECT a, b FROM road UNION SELECT x.a, y.b FROM r x JOIN r y ON x.b = y.a)
  SELECT a, count(*) AS towns FROM r GROUP BY a;
SELECT * FROM reach ORDER BY a;
DELETE FROM road WHERE a = 'Crailsheim';
SELECT * FROM reach ORDER BY a;
-- Read in a subquery only, and not through what is closed.
INSERT INTO closed VALUES ('Crailsheim');
WITH RECURSIVE from_ulm(town) AS (
  SELECT 'Ulm'
  UNION SELECT b FROM road WHERE a IN (SELECT town FROM from_ulm) AND b NOT IN (SELECT town FROM closed))
SELECT * FROM from_ulm ORDER BY town;
-- Several steps; and paths with their length, where a town without roads ends one.
WITH RECURSIVE near(town) AS (
  SELECT 'Aalen' UNION SELECT b FROM road JOIN near ON town = a UNION SELECT a FROM road JOIN near ON town = b)
SELECT * FROM near ORDER BY town;
WITH RECURSIVE path(town, km_so_far, way) AS (
  SELECT 'Ulm', 0, 'Ulm'
  UNION ALL SELECT road.b, km_so_far + road.km, way || ' ' || coalesce(road.b, 'end')
  FROM path LEFT JOIN road ON road.a = town WHERE km_so_far < 200)
SELECT * FROM path ORDER BY km_so_far, way;
-- Columns of one name are numbered in an answer.
SELECT x.a, y.a FROM road x JOIN road y ON x.b = y.a ORDER BY y.a;
SELECT * FROM road x JOIN road y ON x.b = y.a ORDER BY y.km DESC LIMIT 1;
SELECT 1, 1;
