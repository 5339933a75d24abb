SELECT '== a snapshot, as Flink says it' AS h;
SELECT id, v FROM latest /*+ OPTIONS('scan.snapshot-id' = '1') */ ORDER BY id;
SELECT '== a tag, as Flink says it' AS h;
SELECT id, v FROM tagged /*+ OPTIONS('scan.tag-name' = 'first') */ ORDER BY id;
SELECT '== changes between snapshots, as Flink says it' AS h;
SELECT id, v FROM events_log /*+ OPTIONS('incremental-between' = '1,2') */ ORDER BY id;
