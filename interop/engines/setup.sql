-- Tables of every kind, written by this engine.
CREATE TABLE events (id INT, dt STRING, city STRING, amount DECIMAL(10, 2)) PARTITIONED BY (dt);
INSERT INTO events VALUES (1, '2024-01-01', 'Oslo', 10.50), (2, '2024-01-01', NULL, 3.25), (3, '2024-01-02', 'Rome', 7.00);
INSERT INTO events VALUES (4, '2024-01-03', 'Lima', 1.10), (5, '2024-01-02', 'Bern', NULL);
DELETE FROM events WHERE id = 2;

CREATE TABLE kinds (
  k INT NOT NULL, b BOOLEAN, ti TINYINT, si SMALLINT, bi BIGINT, d DOUBLE, de DECIMAL(20, 4), s STRING, c CHAR(3),
  da DATE, ts TIMESTAMP(6), a ARRAY<INT>, m MAP<STRING, INT>, r ROW<x INT, y STRING>,
  PRIMARY KEY (k) NOT ENFORCED) WITH ('bucket' = '1');
INSERT INTO kinds VALUES
  (1, true, 1, 2, 30000000000, 1.5, 1234567.8901, 'word', 'abc', DATE '2024-02-29', TIMESTAMP '2024-02-29 13:14:15.123456',
   [1, 2, 3], MAP {'one': 1}, struct(7, 'seven')),
  (2, false, -1, -2, -30000000000, -0.25, -0.0001, 'other', 'xyz', DATE '1969-12-31', TIMESTAMP '1970-01-01 00:00:01', [],
   MAP {'two': 2}, struct(8, 'eight'));

CREATE TABLE latest (id INT NOT NULL, v STRING, n INT, PRIMARY KEY (id) NOT ENFORCED) WITH ('bucket' = '2');
INSERT INTO latest VALUES (1, 'a', 1), (2, 'b', 2), (3, 'c', 3), (4, 'd', 4);
INSERT INTO latest VALUES (2, 'B', 20), (5, 'e', 5);
DELETE FROM latest WHERE id = 3;
UPDATE latest SET n = n + 100 WHERE id = 4;

CREATE TABLE vectors (id INT NOT NULL, v STRING, PRIMARY KEY (id) NOT ENFORCED)
  WITH ('bucket' = '1', 'deletion-vectors.enabled' = 'true');
INSERT INTO vectors VALUES (1, 'a'), (2, 'b'), (3, 'c');
INSERT INTO vectors VALUES (2, 'B'), (4, 'd');

CREATE TABLE sums (id INT NOT NULL, total BIGINT, most INT, note STRING, PRIMARY KEY (id) NOT ENFORCED)
  WITH ('bucket' = '1', 'merge-engine' = 'aggregation', 'fields.total.aggregate-function' = 'sum',
        'fields.most.aggregate-function' = 'max', 'fields.note.aggregate-function' = 'last_non_null_value');
INSERT INTO sums VALUES (1, 10, 5, 'x'), (2, 1, 1, NULL);
INSERT INTO sums VALUES (1, 7, 3, NULL), (2, 2, 9, 'y'), (3, 4, 4, 'z');

CREATE TABLE parts (id INT NOT NULL, a INT, g INT, b STRING, PRIMARY KEY (id) NOT ENFORCED)
  WITH ('bucket' = '1', 'merge-engine' = 'partial-update', 'fields.g.sequence-group' = 'b');
INSERT INTO parts VALUES (1, 1, 5, 'late'), (2, NULL, 1, 'two');
INSERT INTO parts VALUES (1, NULL, 3, 'early'), (2, 22, NULL, NULL);

CREATE TABLE firsts (id INT NOT NULL, v STRING, PRIMARY KEY (id) NOT ENFORCED)
  WITH ('bucket' = '1', 'merge-engine' = 'first-row', 'changelog-producer' = 'lookup');
INSERT INTO firsts VALUES (1, 'first'), (2, 'first');
INSERT INTO firsts VALUES (2, 'second'), (3, 'first');

CREATE TABLE hashed (id INT NOT NULL, v INT, PRIMARY KEY (id) NOT ENFORCED)
  WITH ('bucket' = '-1', 'dynamic-bucket.target-row-num' = '3');
INSERT INTO hashed SELECT value, value * value FROM generate_series(1, 10);
INSERT INTO hashed VALUES (3, 0), (11, 121);

CREATE TABLE changes (id INT NOT NULL, v STRING, PRIMARY KEY (id) NOT ENFORCED)
  WITH ('bucket' = '1', 'changelog-producer' = 'lookup');
INSERT INTO changes VALUES (1, 'a'), (2, 'b');
INSERT INTO changes VALUES (1, 'A'), (3, 'c');

CREATE TABLE evolved (id INT NOT NULL, old STRING, n INT, PRIMARY KEY (id) NOT ENFORCED) WITH ('bucket' = '1');
INSERT INTO evolved VALUES (1, 'one', 1), (2, 'two', 2);
ALTER TABLE evolved RENAME COLUMN old TO new;
ALTER TABLE evolved ADD COLUMN extra DECIMAL(5, 1);
ALTER TABLE evolved ALTER COLUMN n TYPE BIGINT;
INSERT INTO evolved VALUES (2, 'TWO', 3000000000, 2.5), (3, 'three', 3, NULL);

CREATE TABLE tagged (id INT, v STRING);
INSERT INTO tagged VALUES (1, 'kept');
CALL sys.create_tag('default.tagged', 'first');
INSERT INTO tagged VALUES (2, 'later');

CREATE TABLE events_log (id INT, v STRING);
INSERT INTO events_log VALUES (1, 'before');
INSERT INTO events_log VALUES (2, 'between');
INSERT INTO events_log VALUES (3, 'after');
