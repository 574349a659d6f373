-- Objects by the standard's words.
CREATE TABLE t (k VARCHAR, v INT);
INSERT INTO t VALUES ('a', 1), ('b', NULL);
SELECT JSON_OBJECT(KEY 'k' VALUE k, KEY 'v' VALUE v + 1) AS o, JSON_OBJECT('k' VALUE k NULL ON NULL) AS p, JSON_OBJECT('x', v) AS q, JSON_OBJECT(k VALUE v) AS r FROM t ORDER BY k;
