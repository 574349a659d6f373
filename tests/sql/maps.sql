-- Maps: types as Flink writes them, made of keys and values in turn, asked for a key, from files too.
CREATE TABLE hosts (id BIGINT, tags MAP<VARCHAR, VARCHAR>, counts MAP<STRING, ARRAY<INT>>, at ROW<port MAP<INT, STRING>>)
  WITH (connector = 'file', path = 'hosts.json', format = 'json');
SELECT * FROM hosts;
SELECT id, tags['env'] AS env, tags['nope'] AS nope, counts['a'][1] + 1 AS first, at['port'][80] AS web, cardinality(tags) AS n, map_keys(tags) AS keys FROM hosts;
SELECT tags['env'] AS env, count(*) AS n FROM hosts GROUP BY tags['env'];
SELECT id, key FROM hosts, UNNEST(map_keys(tags)) AS k(key);
CREATE TABLE asked (id INT PRIMARY KEY, key VARCHAR, held MAP<VARCHAR, BIGINT>, number AS held[key]);
INSERT INTO asked VALUES (1, 'a', MAP['a', 1, 'b', 2]), (2, 'B', MAP['b', 3]), (3, NULL, MAP['a', 1]), (4, 'a', NULL);
UPDATE asked SET held = MAP['a', coalesce(held['a'], 0) + 10, 'list[0], (1)', 5] WHERE id IN (1, 4);
SELECT id, number, held[lower(key)] AS below FROM asked;
SELECT held, count(*) AS n FROM asked GROUP BY held;
-- Keys that are no text are in JSON.
CREATE TABLE numbered (m MAP<INT, MAP<BIGINT, BOOLEAN>>);
INSERT INTO numbered VALUES (MAP[7, MAP[1, true], 8, NULL]);
SELECT m, m[7][1] AS yes, m[8][1] AS unknown FROM numbered;
-- A key is there once.
SELECT MAP['a', id, number, 1] AS m FROM (SELECT id, 'a' AS number FROM asked) AS a;
