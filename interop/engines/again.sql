-- This engine goes on where the other one was.
INSERT INTO events VALUES (8, '2024-01-04', 'Graz', 8.80);
INSERT INTO latest VALUES (1, 'again', 111), (8, 'eight', 8);
DELETE FROM latest WHERE id = 6;
MERGE INTO latest USING (SELECT 7 AS id, 'merged again' AS v, 77 AS n) AS s ON latest.id = s.id
  WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *;
INSERT INTO vectors VALUES (2, 'again'), (5, 'again');
INSERT INTO sums VALUES (1, 1000, 99, NULL);
INSERT INTO parts VALUES (1, 10, 8, 'too late');
INSERT INTO firsts VALUES (4, 'again'), (5, 'again');
INSERT INTO hashed VALUES (12, 0), (13, 169);
INSERT INTO changes VALUES (4, 'again');
DELETE FROM changes WHERE id = 1;
INSERT INTO evolved (id, `new`, n, extra, more) VALUES (1, 'again', 10, 1.0, 'm1');
CALL sys.compact(`table` => 'default.vectors');
CALL sys.compact(`table` => 'default.events');
