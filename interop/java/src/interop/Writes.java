package interop;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import org.apache.paimon.data.BinaryRow;
import org.apache.paimon.data.GenericRow;
import org.apache.paimon.data.InternalRow;
import org.apache.paimon.table.BucketMode;
import org.apache.paimon.table.FileStoreTable;
import org.apache.paimon.table.sink.SinkRecord;
import org.apache.paimon.table.sink.TableWriteImpl;

/**
 * Writes of rows, with the compaction of what they touched or none at all; "overwrite" holds the values of the
 * partitions that they replace.
 */
final class Writes {
    private Writes() {}

    static void write(FileStoreTable table, JsonNode request) throws Exception {
        boolean compact = request.path("compact").asBoolean();
        Map<String, String> overwrite = request.has("overwrite") ? partition(request.get("overwrite")) : null;
        // compaction is the caller's decision, not that of the number of files
        FileStoreTable target = compact ? table : table.copy(Collections.singletonMap("write-only", "true"));
        long identifier = Tables.nextIdentifier(target);
        try (Writer writer = new Writer(target)) {
            if (overwrite != null) writer.write.withIgnorePreviousFiles(true);
            Assigner assigner = Assigner.of(target);
            for (JsonNode json : request.get("rows")) {
                GenericRow row = Values.row(json, target.rowType());
                if (assigner == null) writer.write(row);
                else assigner.assign(row, writer::write);
            }
            boolean append = target.bucketMode() == BucketMode.BUCKET_UNAWARE;
            if (compact && !append && target.bucketMode() != BucketMode.POSTPONE_MODE) writer.compact();
            Tables.commit(target, identifier, writer.write.prepareCommit(true, identifier), overwrite);
        }
    }

    private static Map<String, String> partition(JsonNode json) {
        Map<String, String> values = new LinkedHashMap<>();
        json.fields().forEachRemaining(e -> values.put(e.getKey(), e.getValue().asText()));
        return values;
    }

    /** A write that remembers which buckets it touched. */
    static final class Writer implements AutoCloseable {
        final TableWriteImpl<?> write;
        private record Bucket(BinaryRow partition, int number) {}

        private final Map<String, Bucket> touched = new LinkedHashMap<>();

        Writer(FileStoreTable table) throws Exception {
            write = (TableWriteImpl<?>) table.newWrite(Tables.USER).withIOManager(Tables.spill());
        }

        void write(InternalRow row) throws Exception {
            touch(write.writeAndReturn(row));
        }

        void write(GenericRow row, int bucket) throws Exception {
            touch(write.writeAndReturn(row, bucket));
        }

        private void touch(SinkRecord record) {
            if (record == null) return;
            BinaryRow partition = record.partition();
            String name = Arrays.toString(partition.toBytes()) + record.bucket();
            touched.computeIfAbsent(name, b -> new Bucket(partition.copy(), record.bucket()));
        }

        void compact() throws Exception {
            for (Bucket bucket : touched.values()) write.compact(bucket.partition, bucket.number, true);
        }

        @Override
        public void close() throws Exception {
            write.close();
        }
    }
}
