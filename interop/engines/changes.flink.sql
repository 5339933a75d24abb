-- What Flink does to the tables of this engine.
INSERT INTO events VALUES (6, '2024-01-04', 'Kiev', 6.60);
INSERT OVERWRITE events PARTITION (dt = '2024-01-01') VALUES (7, 'Bonn', 70.00);
INSERT INTO latest VALUES (1, 'flink', 11), (6, 'six', 6);
UPDATE latest SET v = 'updated' WHERE id = 2;
DELETE FROM latest WHERE id = 5;
INSERT INTO vectors VALUES (1, 'flink'), (5, 'e');
INSERT INTO sums VALUES (1, 100, 1, 'flink'), (4, 1, 1, CAST(NULL AS STRING));
INSERT INTO parts VALUES (1, 9, 9, 'latest'), (3, 3, CAST(NULL AS INT), CAST(NULL AS STRING));
INSERT INTO firsts VALUES (3, 'flink'), (4, 'flink');
INSERT INTO hashed VALUES (4, 0), (12, 144);
INSERT INTO changes VALUES (2, 'flink'), (4, 'd');
ALTER TABLE evolved ADD more STRING;
INSERT INTO evolved VALUES (3, 'flink', 33, 3.3, 'm');
INSERT INTO tagged VALUES (3, 'flink');
CALL sys.create_tag(`table` => 'default.tagged', tag => 'second');
CALL sys.compact(`table` => 'default.latest');
