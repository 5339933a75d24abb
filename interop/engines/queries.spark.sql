SELECT '== a snapshot, as Spark says it' AS h;
SELECT id, v FROM latest VERSION AS OF 1 ORDER BY id;
SELECT '== a tag, as Spark says it' AS h;
SELECT id, v FROM tagged VERSION AS OF 'first' ORDER BY id;
SELECT '== changes between snapshots, as Spark says it' AS h;
SELECT id, v FROM paimon_incremental_query('events_log', '1', '2') ORDER BY id;
