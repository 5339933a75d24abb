package interop;

import java.util.HashMap;
import java.util.Map;
import org.apache.paimon.CoreOptions.MergeEngine;
import org.apache.paimon.data.BinaryRow;
import org.apache.paimon.data.GenericRow;
import org.apache.paimon.data.InternalRow;
import org.apache.paimon.index.HashBucketAssigner;
import org.apache.paimon.table.FileStoreTable;
import org.apache.paimon.table.sink.RowPartitionAllPrimaryKeyExtractor;
import org.apache.paimon.table.sink.RowPartitionKeyExtractor;
import org.apache.paimon.table.source.DataSplit;
import org.apache.paimon.table.source.ReadBuilder;
import org.apache.paimon.table.source.Split;
import org.apache.paimon.types.RowKind;
import org.apache.paimon.types.RowType;
import org.apache.paimon.utils.CloseableIterator;

/** The choice of buckets that Paimon leaves to the engine around it: dynamic buckets and cross-partition updates. */
interface Assigner {
    void assign(GenericRow row, Sink sink) throws Exception;

    interface Sink {
        void write(GenericRow row, int bucket) throws Exception;
    }

    /** Null when the table knows the bucket of a row by itself. */
    static Assigner of(FileStoreTable table) throws Exception {
        switch (table.bucketMode()) {
            case HASH_DYNAMIC:
                return byHash(table);
            case KEY_DYNAMIC:
                return new ByKey(table);
            default:
                return null;
        }
    }

    private static Assigner byHash(FileStoreTable table) {
        HashBucketAssigner assigner =
                new HashBucketAssigner(
                        table.snapshotManager(),
                        Tables.USER,
                        table.store().newIndexFileHandler(),
                        1,
                        1,
                        0,
                        table.coreOptions().dynamicBucketTargetRowNum(),
                        table.coreOptions().dynamicBucketMaxBuckets());
        RowPartitionKeyExtractor keys = new RowPartitionKeyExtractor(table.schema());
        return (row, sink) ->
                sink.write(row, assigner.assign(keys.partition(row), keys.trimmedPrimaryKey(row).hashCode()));
    }

    /** Knows the place of every key of the table: one row per key, in whatever partition. */
    final class ByKey implements Assigner {
        private record Place(BinaryRow partition, int bucket) {}

        private final FileStoreTable table;
        private final RowPartitionAllPrimaryKeyExtractor keys;
        private final Map<BinaryRow, Place> places = new HashMap<>();

        ByKey(FileStoreTable table) throws Exception {
            this.table = table;
            this.keys = new RowPartitionAllPrimaryKeyExtractor(table.schema());
            ReadBuilder builder = table.newReadBuilder();
            for (Split split : builder.newScan().plan().splits()) {
                DataSplit data = (DataSplit) split;
                Place place = new Place(data.partition().copy(), data.bucket());
                try (CloseableIterator<InternalRow> rows =
                        builder.newRead().withIOManager(Tables.spill()).createReader(split).toCloseableIterator()) {
                    while (rows.hasNext()) places.put(keys.trimmedPrimaryKey(rows.next()).copy(), place);
                }
            }
        }

        @Override
        public void assign(GenericRow row, Sink sink) throws Exception {
            BinaryRow key = keys.trimmedPrimaryKey(row).copy();
            BinaryRow partition = keys.partition(row).copy();
            Place old = places.get(key);
            if (old != null && !old.partition.equals(partition)) {
                MergeEngine engine = table.coreOptions().mergeEngine();
                if (engine == MergeEngine.FIRST_ROW) return;
                boolean moves = engine == MergeEngine.DEDUPLICATE;
                GenericRow there = inPartition(row, old.partition);
                if (moves) there.setRowKind(RowKind.DELETE);
                sink.write(there, old.bucket);
                // the other engines go on merging where the key first appeared
                if (!moves) return;
                old = null;
            }
            Place place = old == null ? new Place(partition, 0) : old;
            places.put(key, place);
            sink.write(row, place.bucket);
        }

        private GenericRow inPartition(GenericRow row, BinaryRow partition) {
            GenericRow moved = new GenericRow(row.getRowKind(), row.getFieldCount());
            for (int i = 0; i < row.getFieldCount(); i++) moved.setField(i, row.getField(i));
            RowType type = table.schema().logicalPartitionType();
            for (int i = 0; i < type.getFieldCount(); i++) {
                Object value = InternalRow.createFieldGetter(type.getTypeAt(i), i).getFieldOrNull(partition);
                moved.setField(table.rowType().getFieldIndex(type.getFieldNames().get(i)), value);
            }
            return moved;
        }
    }
}
