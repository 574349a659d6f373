-- JSON within JSON is part of it, text is a string; of columns, casts and calls, through views and groups.
CREATE TABLE docs (id INT, g INT, d JSONB, t VARCHAR);
INSERT INTO docs VALUES (1, 1, '{"a": {"k": 1}, "l": [1, 2]}', '{"a":1}'), (2, 1, 'no json', NULL), (3, 2, NULL, 'x');
CREATE VIEW parts AS SELECT id, g, d -> 'a' AS a, d -> 'l' AS l, d ->> 'l' AS text FROM docs;
SELECT id, json_build_object('d', d, 't', t, 'a', d -> 'a', 'n', json_build_array(id, d -> 'l')) AS made FROM docs ORDER BY id;
SELECT id, json_build_array(a, l, text) AS made, to_json(CAST(text AS JSON)) AS whole FROM parts ORDER BY id;
SELECT JSON_OBJECT('a' VALUE JSON_ARRAY(JSON_ARRAY(1)), 'b' VALUE JSON_OBJECT('c' VALUE NULL)) AS made;
-- Aggregates.
SELECT g, json_agg(id ORDER BY id DESC) AS ids, jsonb_agg(a ORDER BY id) AS parts, JSON_ARRAYAGG(t ORDER BY id) AS known, json_agg(t ORDER BY id) AS texts
FROM docs JOIN parts USING (id, g) GROUP BY g ORDER BY g;
CREATE VIEW members AS SELECT g, json_object_agg(id, d) AS made, JSON_OBJECTAGG(KEY id VALUE t ABSENT ON NULL) AS known FROM docs GROUP BY g;
DELETE FROM docs WHERE id = 1;
SELECT * FROM members ORDER BY g;
SELECT json_agg(id) AS none FROM docs WHERE id > 7;
-- Operators.
INSERT INTO docs VALUES (4, 3, '{"a": 1, "b": [1, {"c": 2.0}]}', '{"z":0}');
SELECT id, d @> '{"b": [{"c": 2}]}' AS has, '{"a":1}' <@ d AS is_in, d -> 'b' @> '1' AS holds, d || '{"a": 7}' AS merged, (d -> 'b') || '[3]' AS longer, t || '!' AS text
FROM docs WHERE id = 4;
SELECT id FROM docs WHERE d@>'{"a":1}';
-- All rows as one group; a key that is null is an error where it counts.
CREATE TABLE pairs (k VARCHAR, v BIGINT);
INSERT INTO pairs VALUES ('a', 1);
CREATE VIEW of_all AS SELECT json_object_agg(k, v) AS made FROM pairs;
INSERT INTO pairs VALUES (NULL, 2);
SELECT json_object_agg(k, v) FILTER (WHERE k IS NOT NULL) AS made FROM pairs;
DELETE FROM pairs WHERE k IS NULL;
SELECT * FROM of_all;
SELECT error FROM row_errors;
-- What is no JSON is text beside it.
SELECT 'is ' || (d -> 'a') AS text, (d -> 'a') || '!' AS more FROM docs WHERE id = 4;
