package interop;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
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

    /**
     * Answers "columns", "rows" and the number of planned "files"; "push_down" gives the filter to the planner too.
     * "projection" names the columns to answer; the filter may be on others.
     */
    static void read(Table table, JsonNode request, ObjectNode answer) throws Exception {
        RowType type = table.rowType();
        if (request.has("projection")) {
            projected(table, request, answer);
            return;
        }
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

    /** Rows of some columns: the table's reader projects, and filters as well as it can; the rest is filtered here. */
    private static void projected(Table table, JsonNode request, ObjectNode answer) throws Exception {
        RowType type = table.rowType();
        List<String> names = new ArrayList<>();
        request.get("projection").forEach(n -> names.add(n.asText()));
        Set<String> read = new LinkedHashSet<>(names);
        ReadBuilder builder = table.newReadBuilder();
        Predicate filter = null;
        if (request.has("filter")) {
            builder.withFilter(filter(request.get("filter"), type));
            columns(request.get("filter"), read);
        }
        builder.withProjection(read.stream().mapToInt(type::getFieldIndex).toArray());
        RowType readType = type.project(new ArrayList<>(read));
        if (request.has("filter")) filter = filter(request.get("filter"), readType);
        ArrayNode rows = JsonNodeFactory.instance.arrayNode();
        rows(builder, builder.newScan().plan().splits(), readType, filter, rows);
        ArrayNode columns = answer.putArray("columns");
        for (String name : names) columns.addArray().add(name).add(type.getField(name).type().asSQLString());
        ArrayNode out = answer.putArray("rows");
        for (JsonNode row : rows) {
            ArrayNode kept = out.addArray();
            // the row's kind comes first
            for (int i = 0; i <= names.size(); i++) kept.add(row.get(i));
        }
    }

    /** The columns that a filter is on. */
    private static void columns(JsonNode filter, Set<String> names) {
        if (filter.get(1).isTextual()) names.add(filter.get(1).asText());
        else for (int i = 1; i < filter.size(); i++) columns(filter.get(i), names);
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

    /** A filter [op, column, literals...], or ["and" or "or", filters...]. */
    static Predicate filter(JsonNode json, RowType type) {
        String op = json.get(0).asText();
        if (op.equals("and") || op.equals("or")) {
            List<Predicate> parts = new ArrayList<>();
            for (int i = 1; i < json.size(); i++) parts.add(filter(json.get(i), type));
            return op.equals("and") ? PredicateBuilder.and(parts) : PredicateBuilder.or(parts);
        }
        PredicateBuilder builder = new PredicateBuilder(type);
        int field = builder.indexOf(json.get(1).asText());
        List<Object> literals = new ArrayList<>();
        for (int i = 2; i < json.size(); i++) literals.add(Values.decode(json.get(i), type.getTypeAt(field)));
        Object first = literals.isEmpty() ? null : literals.get(0);
        switch (op) {
            case "=":
                return builder.equal(field, first);
            case "!=":
                return builder.notEqual(field, first);
            case "<":
                return builder.lessThan(field, first);
            case "<=":
                return builder.lessOrEqual(field, first);
            case ">":
                return builder.greaterThan(field, first);
            case "in":
                return builder.in(field, literals);
            case "not_in":
                return builder.notIn(field, literals);
            case ">=":
                return builder.greaterOrEqual(field, first);
            case "between":
                return builder.between(field, first, literals.get(1));
            case "starts_with":
                return builder.startsWith(field, first);
            case "ends_with":
                return builder.endsWith(field, first);
            case "contains":
                return builder.contains(field, first);
            case "is_null":
                return builder.isNull(field);
            case "is_not_null":
                return builder.isNotNull(field);
            default:
                throw new IllegalArgumentException("unknown filter " + json);
        }
    }
}
