-- What Spark does to the tables of this engine.
INSERT INTO events VALUES (6, '2024-01-04', 'Kiev', 6.60);
INSERT OVERWRITE events PARTITION (dt = '2024-01-01') VALUES (7, 'Bonn', 70.00);
INSERT INTO latest VALUES (1, 'spark', 11), (6, 'six', 6);
UPDATE latest SET v = 'updated' WHERE id = 2;
DELETE FROM latest WHERE id = 5;
MERGE INTO latest AS t USING (SELECT 4 AS id, 'merged' AS v, 44 AS n UNION ALL SELECT 7, 'new', 7) AS s ON t.id = s.id
  WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *;
INSERT INTO vectors VALUES (1, 'spark'), (5, 'e');
INSERT INTO sums VALUES (1, 100, 1, 'spark'), (4, 1, 1, CAST(NULL AS STRING));
INSERT INTO parts VALUES (1, 9, 9, 'latest'), (3, 3, CAST(NULL AS INT), CAST(NULL AS STRING));
INSERT INTO firsts VALUES (3, 'spark'), (4, 'spark');
INSERT INTO hashed VALUES (4, 0), (12, 144);
INSERT INTO changes VALUES (2, 'spark'), (4, 'd');
ALTER TABLE evolved ADD COLUMN more STRING;
INSERT INTO evolved VALUES (3, 'spark', 33, 3.3, 'm');
INSERT INTO tagged VALUES (3, 'spark');
CALL sys.create_tag(table => 'default.tagged', tag => 'second');
CALL sys.compact(table => 'default.latest');
