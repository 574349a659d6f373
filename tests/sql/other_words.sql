-- What other engines write for the same.
CREATE TABLE t (id BIGINT, g VARCHAR, v BIGINT, ts TIMESTAMP);
INSERT INTO t VALUES (1, 'a', 3, '2024-01-31 10:30:00'), (2, 'b', 5, '2024-02-29 12:00:00'), (3, 'a', NULL, '2024-03-01 00:00:00'), (4, NULL, 1, NULL);
SELECT TOP 2 id FROM t ORDER BY ALL;
SELECT id FROM t ORDER BY id DESC OFFSET 1 ROW FETCH FIRST 2 ROWS ONLY;
SELECT id FROM t MINUS SELECT 2;
SELECT id FROM t WHERE g LIKE ANY ('a%', 'c%') AND id IN UNNEST([1, 2, 3]) AND g RLIKE '^a' ORDER BY id;
SELECT l.id FROM t l SEMI JOIN t r ON l.v = r.id + 2;
SELECT g, max_by(id, v) AS top, every(v > 2) AS every, group_concat(id ORDER BY id) AS ids, count(DISTINCT g, v) AS pairs FROM t GROUP BY g ORDER BY g;
SELECT id, if(v > 2, 'much', 'little') AS how, year(ts) AS y, floor(ts TO DAY) AS day, ceil(ts TO HOUR) AS hour, ~id AS flipped FROM t ORDER BY id;
SELECT id, to_char(ts, 'YYYY-MM-DD HH24:MI') AS postgres, date_format(ts, 'dd.MM.yyyy') AS java, date_format(ts, '%H') AS strftime,
  to_timestamp('31.12.2023 23:05', 'dd.MM.yyyy HH:mm') AS parsed FROM t ORDER BY id LIMIT 1;
SELECT id, timestampadd(MONTH, 1, ts) AS next, timestampdiff(DAY, ts, TIMESTAMP '2024-03-01') AS whole, date_diff('month', ts, TIMESTAMP '2024-03-01') AS begun,
  ts + v * INTERVAL '1' DAY AS later FROM t ORDER BY id;
SELECT md5('a') AS m, encode(sha256('a'), 'base64') AS s, decode('616263', 'hex') AS d, regexp_extract('a12', '([0-9]+)', 1) AS r;
CREATE TABLE doc (id BIGINT, j JSON);
INSERT INTO doc VALUES (1, '{"user": {"name": "ann", "age": 31}, "tags": ["x", "y"], "ok": true}'), (2, '{"user": null, "tags": []}'), (3, 'no json');
SELECT id, j -> 'user' AS u, j -> 'user' ->> 'name' AS name, j #> '{tags,1}' AS second, json_get_int(j, 'user', 'age') AS age FROM doc ORDER BY id;
SELECT id, json_value(j, '$.user.age' RETURNING BIGINT) AS age, json_query(j, '$.tags') AS tags, json_exists(j, '$.user') AS known, json_length(j, 'tags') AS n FROM doc ORDER BY id;
SELECT id, tag FROM doc CROSS JOIN json_array_elements_text(j -> 'tags') AS tag WHERE j ->> 'ok' = 'true' ORDER BY tag;
SELECT json_build_object('id', id, 'tags', extract_json(j, '$.tags[*]')) AS made FROM doc WHERE id < 3 ORDER BY id;
CREATE TABLE made (id BIGINT, b STRUCT<x INT, y VARCHAR>, l STRUCT<x INT>[]);
INSERT INTO made VALUES (1, ROW(2, 'z'), [ROW(5), ROW(6)]), (2, NULL, []);
SELECT id, (b).x AS x, made.b.y AS y, l[2].x AS second, (l)[1].x + 1 AS more FROM made ORDER BY id;
