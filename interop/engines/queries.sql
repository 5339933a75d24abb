-- Read by this engine and by the other one; the rows must be the same.
SELECT '== events' AS h;
SELECT id, dt, COALESCE(city, '-') AS city, COALESCE(CAST(amount AS STRING), '-') AS amount FROM events ORDER BY id;
SELECT '== events of one partition' AS h;
SELECT COUNT(*) AS n, SUM(amount) AS total FROM events WHERE dt = '2024-01-02';
SELECT '== kinds' AS h;
SELECT k, CASE WHEN b THEN 'yes' ELSE 'no' END AS b, ti, si, bi, CAST(d * 100 AS INT) AS d, de, s, c,
  CAST(da AS STRING) AS da, CAST(CAST(ts AS DATE) AS STRING) AS ts_day, EXTRACT(HOUR FROM ts) AS ts_hour, CARDINALITY(a) AS a,
  COALESCE(m['one'], 0) AS m1, COALESCE(m['two'], 0) AS m2, r.x AS x, r.y AS y
FROM kinds ORDER BY k;
SELECT '== latest' AS h;
SELECT id, v, n FROM latest ORDER BY id;
SELECT '== latest, filtered' AS h;
SELECT id, v FROM latest WHERE n >= 5 AND v <> 'zzz' ORDER BY id;
SELECT '== vectors' AS h;
SELECT id, v FROM vectors ORDER BY id;
SELECT '== sums' AS h;
SELECT id, total, most, COALESCE(note, '-') AS note FROM sums ORDER BY id;
SELECT '== parts' AS h;
SELECT id, COALESCE(a, -1) AS a, COALESCE(g, -1) AS g, COALESCE(b, '-') AS b FROM parts ORDER BY id;
SELECT '== firsts' AS h;
SELECT id, v FROM firsts ORDER BY id;
SELECT '== hashed' AS h;
SELECT id, v FROM hashed ORDER BY id;
SELECT '== changes' AS h;
SELECT id, v FROM changes ORDER BY id;
SELECT '== rows of the changes with their kinds' AS h;
SELECT rowkind, id, v FROM `changes$audit_log` ORDER BY id, rowkind;
SELECT '== evolved' AS h;
SELECT id, `new`, n, COALESCE(CAST(extra AS STRING), '-') AS extra FROM evolved ORDER BY id;
SELECT '== evolved, filtered on a changed column' AS h;
SELECT id FROM evolved WHERE n > 2 ORDER BY id;
SELECT '== tagged' AS h;
SELECT id, v FROM tagged ORDER BY id;
SELECT '== snapshots' AS h;
SELECT COUNT(*) AS n, MAX(total_record_count) AS total FROM `tagged$snapshots`;
SELECT '== tags' AS h;
SELECT tag_name, snapshot_id, record_count FROM `tagged$tags` ORDER BY tag_name;
SELECT '== a join of tables' AS h;
SELECT l.id, l.v, s.total FROM latest l JOIN sums s ON l.id = s.id ORDER BY l.id;
