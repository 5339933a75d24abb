package interop;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashMap;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.paimon.append.AppendCompactCoordinator;
import org.apache.paimon.append.AppendCompactTask;
import org.apache.paimon.data.BinaryRow;
import org.apache.paimon.data.InternalRow;
import org.apache.paimon.data.serializer.InternalRowSerializer;
import org.apache.paimon.io.CompactIncrement;
import org.apache.paimon.io.DataFileMeta;
import org.apache.paimon.io.DataIncrement;
import org.apache.paimon.manifest.ManifestEntry;
import org.apache.paimon.operation.BaseAppendFileStoreWrite;
import org.apache.paimon.postpone.BucketFiles;
import org.apache.paimon.table.AppendOnlyFileStoreTable;
import org.apache.paimon.table.BucketMode;
import org.apache.paimon.table.FileStoreTable;
import org.apache.paimon.table.PostponeUtils;
import org.apache.paimon.table.SpecialFields;
import org.apache.paimon.table.sink.CommitMessage;
import org.apache.paimon.table.sink.CommitMessageImpl;
import org.apache.paimon.table.sink.TableWriteImpl;
import org.apache.paimon.table.source.DataSplit;
import org.apache.paimon.table.source.EndOfScanException;
import org.apache.paimon.table.source.Split;
import org.apache.paimon.types.RowKind;
import org.apache.paimon.utils.CloseableIterator;

/** Compactions, one way per bucket mode: of everything, or of what the strategy chooses. */
final class Compactions {
    private Compactions() {}

    static void compact(FileStoreTable stored, boolean full) throws Exception {
        FileStoreTable table = stored.copy(Collections.singletonMap("write-only", "false"));
        switch (table.bucketMode()) {
            case BUCKET_UNAWARE:
                unaware((AppendOnlyFileStoreTable) table);
                break;
            case POSTPONE_MODE:
                postpone(table);
                break;
            default:
                buckets(table, full);
        }
    }

    private static void buckets(FileStoreTable table, boolean full) throws Exception {
        Map<String, ManifestEntry> buckets = new LinkedHashMap<>();
        for (Iterator<ManifestEntry> it = table.newSnapshotReader().readFileIterator(); it.hasNext(); ) {
            ManifestEntry entry = it.next();
            buckets.put(Arrays.toString(entry.partition().toBytes()) + entry.bucket(), entry);
        }
        long identifier = Tables.nextIdentifier(table);
        try (TableWriteImpl<?> write =
                (TableWriteImpl<?>) table.newWrite(Tables.USER).withIOManager(Tables.spill())) {
            for (ManifestEntry entry : buckets.values()) write.compact(entry.partition(), entry.bucket(), full);
            Tables.commit(table, identifier, write.prepareCommit(true, identifier));
        }
    }

    private static void unaware(AppendOnlyFileStoreTable table) throws Exception {
        BaseAppendFileStoreWrite write = table.store().newWrite(Tables.USER);
        write.withIOManager(Tables.spill());
        if (table.coreOptions().rowTrackingEnabled()) {
            write.withWriteType(SpecialFields.rowTypeWithRowTracking(table.rowType()));
        }
        List<CommitMessage> messages = new ArrayList<>();
        for (AppendCompactTask task : tasks(table)) messages.add(task.doCompact(table, write));
        Tables.commit(table, Tables.nextIdentifier(table), messages);
        write.close();
    }

    private static List<AppendCompactTask> tasks(AppendOnlyFileStoreTable table) {
        try {
            return new AppendCompactCoordinator(table, false).run();
        } catch (EndOfScanException e) {
            // every file is as large as it should be
            return Collections.emptyList();
        }
    }

    /** Rows of the postponed files go through a writer of fixed buckets; the postponed files are removed with it. */
    private static void postpone(FileStoreTable table) throws Exception {
        int buckets = table.coreOptions().postponeDefaultBucketNum();
        FileStoreTable fixed = withBuckets(table, buckets);
        List<CommitMessage> messages = new ArrayList<>();
        long identifier = Tables.nextIdentifier(table);
        for (BinaryRow partition :
                fixed.newSnapshotReader().withBucket(BucketMode.POSTPONE_BUCKET).partitions()) {
            Iterator<ManifestEntry> present =
                    table.newSnapshotReader()
                            .withPartitionFilter(Collections.singletonList(partition))
                            .onlyReadRealBuckets()
                            .readFileIterator();
            FileStoreTable real = present.hasNext() ? withBuckets(table, present.next().totalBuckets()) : fixed;
            rewrite(real, partition, identifier, messages);
        }
        Tables.commit(PostponeUtils.tableForCommit(table), identifier, messages);
    }

    private static FileStoreTable withBuckets(FileStoreTable table, int buckets) {
        Map<String, String> options = new HashMap<>(table.options());
        options.put("bucket", String.valueOf(buckets));
        return table.copy(table.schema().copy(options));
    }

    private static void rewrite(
            FileStoreTable real, BinaryRow partition, long identifier, List<CommitMessage> messages) throws Exception {
        List<Split> splits =
                real.newSnapshotReader()
                        .withPartitionFilter(Collections.singletonList(partition))
                        .withBucket(BucketMode.POSTPONE_BUCKET)
                        .read()
                        .splits();
        try (Writes.Writer writer = new Writes.Writer(real)) {
            InternalRowSerializer serializer = new InternalRowSerializer(real.rowType());
            for (DataSplit file : oldestFirst(splits)) {
                try (CloseableIterator<InternalRow> rows =
                        real.newReadBuilder()
                                .newRead()
                                .withIOManager(Tables.spill())
                                .createReader(file)
                                .toCloseableIterator()) {
                    while (rows.hasNext()) {
                        InternalRow row = rows.next();
                        RowKind kind = row.getRowKind();
                        InternalRow copy = serializer.copy(row);
                        copy.setRowKind(kind);
                        writer.write(copy);
                    }
                }
            }
            writer.compact();
            Map<Integer, BucketFiles> changed = new LinkedHashMap<>();
            for (CommitMessage message : writer.write.prepareCommit(true, identifier)) {
                CommitMessageImpl change = (CommitMessageImpl) message;
                changed.computeIfAbsent(
                                change.bucket(),
                                b -> new BucketFiles(
                                        real.store().pathFactory().createDataFilePathFactory(partition, b),
                                        real.fileIO()))
                        .update(change);
            }
            changed.forEach((bucket, files) -> messages.add(files.makeMessage(partition, bucket)));
        }
        for (Split split : splits) {
            DataSplit data = (DataSplit) split;
            CompactIncrement removed =
                    new CompactIncrement(data.dataFiles(), new ArrayList<>(), new ArrayList<>());
            messages.add(
                    new CommitMessageImpl(
                            data.partition(),
                            data.bucket(),
                            data.totalBuckets(),
                            DataIncrement.emptyIncrement(),
                            removed));
        }
    }

    /** One split per file, in the order of writing: the later record of a key wins. */
    private static List<DataSplit> oldestFirst(List<Split> splits) {
        List<DataSplit> files = new ArrayList<>();
        for (Split split : splits) {
            DataSplit data = (DataSplit) split;
            for (DataFileMeta file : data.dataFiles()) {
                files.add(
                        DataSplit.builder()
                                .withSnapshot(data.snapshotId())
                                .withPartition(data.partition())
                                .withBucket(data.bucket())
                                .withBucketPath(data.bucketPath())
                                .withTotalBuckets(data.totalBuckets())
                                .withDataFiles(Collections.singletonList(file))
                                .isStreaming(true)
                                .rawConvertible(false)
                                .build());
            }
        }
        files.sort(
                Comparator.comparing((DataSplit s) -> s.dataFiles().get(0).creationTimeEpochMillis())
                        .thenComparing(s -> s.dataFiles().get(0).fileName()));
        return files;
    }
}
