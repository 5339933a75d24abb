package interop;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.paimon.Snapshot;
import org.apache.paimon.data.InternalRow;
import org.apache.paimon.deletionvectors.Bitmap64DeletionVector;
import org.apache.paimon.deletionvectors.BitmapDeletionVector;
import org.apache.paimon.deletionvectors.DeletionVector;
import org.apache.paimon.deletionvectors.append.BaseAppendDeleteFileMaintainer;
import org.apache.paimon.index.IndexFileHandler;
import org.apache.paimon.index.IndexFileMeta;
import org.apache.paimon.io.CompactIncrement;
import org.apache.paimon.io.DataFileMeta;
import org.apache.paimon.io.DataIncrement;
import org.apache.paimon.manifest.FileKind;
import org.apache.paimon.manifest.IndexManifestEntry;
import org.apache.paimon.predicate.Predicate;
import org.apache.paimon.reader.FileRecordIterator;
import org.apache.paimon.reader.RecordReader;
import org.apache.paimon.table.BucketMode;
import org.apache.paimon.table.FileStoreTable;
import org.apache.paimon.table.sink.CommitMessage;
import org.apache.paimon.table.sink.CommitMessageImpl;
import org.apache.paimon.table.source.DataSplit;
import org.apache.paimon.table.source.DeletionFile;
import org.apache.paimon.table.source.Split;

/** Rows of append tables marked in deletion vectors. */
final class Deletes {
    private Deletes() {}

    static void delete(FileStoreTable table, JsonNode filter) throws Exception {
        Predicate predicate = Reads.filter(filter, table.rowType());
        Snapshot snapshot = table.snapshotManager().latestSnapshot();
        Map<String, BaseAppendDeleteFileMaintainer> buckets = new LinkedHashMap<>();
        for (Split split : table.newSnapshotReader().read().splits()) {
            DataSplit data = (DataSplit) split;
            String bucket = Arrays.toString(data.partition().toBytes()) + data.bucket();
            for (int i = 0; i < data.dataFiles().size(); i++) {
                DeletionVector vector = matching(table, data, i, predicate);
                if (vector.isEmpty()) continue;
                buckets.computeIfAbsent(bucket, b -> maintainer(table, snapshot, data))
                        .notifyNewDeletionVector(data.dataFiles().get(i).fileName(), vector);
            }
        }
        List<CommitMessage> messages = new ArrayList<>();
        for (BaseAppendDeleteFileMaintainer maintainer : buckets.values()) messages.add(message(maintainer));
        Tables.commit(table, Tables.nextIdentifier(table), messages);
    }

    private static BaseAppendDeleteFileMaintainer maintainer(FileStoreTable table, Snapshot snapshot, DataSplit data) {
        IndexFileHandler handler = table.store().newIndexFileHandler();
        return table.bucketMode() == BucketMode.BUCKET_UNAWARE
                ? BaseAppendDeleteFileMaintainer.forUnawareAppend(handler, snapshot, data.partition())
                : BaseAppendDeleteFileMaintainer.forBucketedAppend(handler, snapshot, data.partition(), data.bucket());
    }

    private static CommitMessage message(BaseAppendDeleteFileMaintainer maintainer) {
        List<IndexFileMeta> added = new ArrayList<>();
        List<IndexFileMeta> removed = new ArrayList<>();
        for (IndexManifestEntry entry : maintainer.persist()) {
            (entry.kind() == FileKind.ADD ? added : removed).add(entry.indexFile());
        }
        DataIncrement change =
                new DataIncrement(new ArrayList<>(), new ArrayList<>(), new ArrayList<>(), added, removed);
        return new CommitMessageImpl(
                maintainer.getPartition(), maintainer.getBucket(), null, change, CompactIncrement.emptyIncrement());
    }

    /** Positions of one file's rows that match and are not deleted yet. */
    private static DeletionVector matching(FileStoreTable table, DataSplit data, int index, Predicate predicate)
            throws Exception {
        DataFileMeta file = data.dataFiles().get(index);
        DataSplit.Builder one =
                DataSplit.builder()
                        .withSnapshot(data.snapshotId())
                        .withPartition(data.partition())
                        .withBucket(data.bucket())
                        .withBucketPath(data.bucketPath())
                        .withTotalBuckets(data.totalBuckets())
                        .withDataFiles(Collections.singletonList(file))
                        .isStreaming(false)
                        .rawConvertible(true);
        if (data.deletionFiles().isPresent()) {
            DeletionFile before = data.deletionFiles().get().get(index);
            one.withDataDeletionFiles(Collections.singletonList(before));
        }
        boolean wide = table.coreOptions().deletionVectorBitmap64();
        DeletionVector vector = wide ? new Bitmap64DeletionVector() : new BitmapDeletionVector();
        try (RecordReader<InternalRow> reader =
                table.newReadBuilder().newRead().withIOManager(Tables.spill()).createReader(one.build())) {
            for (RecordReader.RecordIterator<InternalRow> batch; (batch = reader.readBatch()) != null; ) {
                FileRecordIterator<InternalRow> rows = (FileRecordIterator<InternalRow>) batch;
                for (InternalRow row; (row = rows.next()) != null; ) {
                    if (predicate.test(row)) vector.delete(rows.returnedPosition());
                }
                batch.releaseBatch();
            }
        }
        return vector;
    }
}
