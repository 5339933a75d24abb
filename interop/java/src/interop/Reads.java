package interop;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.paimon.data.InternalRow;
import org.apache.paimon.predicate.Predicate;
import org.apache.paimon.predicate.PredicateBuilder;
import org.apache.paimon.table.FileStoreTable;
import org.apache.paimon.table.Table;
import org.apache.paimon.table.source.DataSplit;
import org.apache.paimon.table.source.EndOfScanException;
import org.apache.paimon.table.source.ReadBuilder;
import org.apache.paimon.table.source.Split;
import org.apache.paimon.table.source.StreamTableScan;
import org.apache.paimon.table.source.TableRead;
import org.apache.paimon.table.system.SystemTableLoader;
import org.apache.paimon.types.RowType;
import org.apache.paimon.utils.CloseableIterator;

/** Batch reads, system tables and changelogs. */
final class Reads {
    private Reads() {}

    /** The table of a request: "system" names a system table, "options" are dynamic options. */
    static Table open(String folder, JsonNode request) {
        FileStoreTable base = Tables.open(folder);
        Table table = base;
        if (request.has("system")) table = SystemTableLoader.load(request.get("system").asText(), base);
        Map<String, String> options = new HashMap<>();
        request.path("options").fields().forEachRemaining(e -> options.put(e.getKey(), e.getValue().asText()));
        return options.isEmpty() ? table : table.copy(options);
    }

    /** Answers "columns", "rows" and the number of planned "files"; "push_down" gives the filter to the planner too. */
    static void read(Table table, JsonNode request, ObjectNode answer) throws Exception {
        RowType type = table.rowType();
        ArrayNode columns = answer.putArray("columns");
        type.getFields().forEach(f -> columns.addArray().add(f.name()).add(f.type().asSQLString()));
        Predicate filter = request.has("filter") ? filter(request.get("filter"), type) : null;
        ReadBuilder builder = table.newReadBuilder();
        if (filter != null && request.path("push_down").asBoolean()) builder.withFilter(filter);
        List<Split> splits = builder.newScan().plan().splits();
        rows(builder, splits, type, filter, answer.putArray("rows"));
        int files = 0;
        for (Split split : splits) if (split instanceof DataSplit) files += ((DataSplit) split).dataFiles().size();
        answer.put("files", files);
    }

    /** Answers "batches": the rows of one plan after the other until there is nothing new. */
    static void follow(Table table, ObjectNode answer) throws Exception {
        ArrayNode batches = answer.putArray("batches");
        ReadBuilder builder = table.newReadBuilder();
        StreamTableScan scan = builder.newStreamScan();
        // the planner may skip a snapshot with an empty plan, but never stands still before the last one
        for (int idle = 0; idle < 2; ) {
            List<Split> splits;
            Long before = scan.checkpoint();
            try {
                splits = scan.plan().splits();
            } catch (EndOfScanException e) {
                return;
            }
            if (!splits.isEmpty()) rows(builder, splits, table.rowType(), null, batches.addArray());
            boolean moved = !splits.isEmpty() || (before != null && !before.equals(scan.checkpoint()));
            idle = moved ? 0 : idle + 1;
        }
    }

    private static void rows(
            ReadBuilder builder, List<Split> splits, RowType type, Predicate filter, ArrayNode rows) throws Exception {
        TableRead read = builder.newRead().withIOManager(Tables.spill());
        for (Split split : splits) {
            try (CloseableIterator<InternalRow> it = read.createReader(split).toCloseableIterator()) {
                while (it.hasNext()) {
                    InternalRow row = it.next();
                    if (filter == null || filter.test(row)) rows.add(Values.row(row, type));
                }
            }
        }
    }

    /** A filter [op, column, literals...]. */
    static Predicate filter(JsonNode json, RowType type) {
        PredicateBuilder builder = new PredicateBuilder(type);
        int field = builder.indexOf(json.get(1).asText());
        Object first = json.size() > 2 ? Values.decode(json.get(2), type.getTypeAt(field)) : null;
        switch (json.get(0).asText()) {
            case "=":
                return builder.equal(field, first);
            case "!=":
                return builder.notEqual(field, first);
            case "<":
                return builder.lessThan(field, first);
            case ">=":
                return builder.greaterOrEqual(field, first);
            case "between":
                return builder.between(field, first, Values.decode(json.get(3), type.getTypeAt(field)));
            case "starts_with":
                return builder.startsWith(field, first);
            case "is_null":
                return builder.isNull(field);
            default:
                throw new IllegalArgumentException("unknown filter " + json);
        }
    }
}
