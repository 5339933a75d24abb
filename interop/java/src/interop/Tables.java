package interop;

import java.io.File;
import java.nio.file.Files;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.apache.paimon.Snapshot;
import org.apache.paimon.disk.IOManager;
import org.apache.paimon.fs.Path;
import org.apache.paimon.fs.local.LocalFileIO;
import org.apache.paimon.options.ExpireConfig;
import org.apache.paimon.schema.Schema;
import org.apache.paimon.schema.SchemaManager;
import org.apache.paimon.schema.TableSchema;
import org.apache.paimon.table.FileStoreTable;
import org.apache.paimon.table.FileStoreTableFactory;
import org.apache.paimon.table.sink.CommitMessage;
import org.apache.paimon.table.sink.CommitMessageImpl;
import org.apache.paimon.table.sink.TableCommitImpl;

/** Tables in folders: created, opened, committed to, expired. */
final class Tables {
    static final String USER = "interop-java";

    private static File spillFolder;
    private static IOManager spill;

    private Tables() {}

    /** Creates a table from the JSON of a schema file. Java checks the schema as it does for its own tables. */
    static void create(String folder, String schema) throws Exception {
        TableSchema s = TableSchema.fromJson(schema);
        LocalFileIO io = LocalFileIO.create();
        Path path = new Path(folder);
        Schema declared = new Schema(s.fields(), s.partitionKeys(), s.primaryKeys(), s.options(), s.comment());
        new SchemaManager(io, path).createTable(declared);
    }

    static FileStoreTable open(String folder) {
        return FileStoreTableFactory.create(LocalFileIO.create(), new Path(folder));
    }

    static synchronized IOManager spill() throws Exception {
        if (spill == null) {
            spillFolder = Files.createTempDirectory("paimon-interop").toFile();
            spill = IOManager.create(spillFolder.getPath());
        }
        return spill;
    }

    static synchronized void close() throws Exception {
        if (spill != null) {
            spill.close();
            spillFolder.delete();
        }
    }

    /** A commit identifier that this user has not used. */
    static long nextIdentifier(FileStoreTable table) {
        Snapshot latest = table.snapshotManager().latestSnapshot();
        return latest == null ? 1 : latest.id() + 1;
    }

    static void commit(FileStoreTable table, long identifier, List<CommitMessage> messages) throws Exception {
        commit(table, identifier, messages, null);
    }

    /** Commits what replaces the partitions with these values; null replaces nothing. */
    static void commit(
            FileStoreTable table, long identifier, List<CommitMessage> messages, Map<String, String> overwrite)
            throws Exception {
        boolean empty = messages.stream().allMatch(m -> ((CommitMessageImpl) m).isEmpty());
        if (empty && overwrite == null) return;
        try (TableCommitImpl commit = table.newCommit(USER)) {
            if (overwrite != null) commit.withOverwrite(overwrite);
            commit.commit(identifier, messages);
        }
    }

    static int expire(FileStoreTable table, int keep) {
        ExpireConfig config =
                ExpireConfig.builder()
                        .snapshotRetainMin(keep)
                        .snapshotRetainMax(keep)
                        .snapshotTimeRetain(Duration.ZERO)
                        .build();
        return table.newExpireSnapshots().config(config).expire();
    }
}
