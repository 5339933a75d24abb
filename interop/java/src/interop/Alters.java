package interop;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import org.apache.paimon.fs.Path;
import org.apache.paimon.fs.local.LocalFileIO;
import org.apache.paimon.schema.SchemaChange;
import org.apache.paimon.schema.SchemaManager;
import org.apache.paimon.types.DataField;
import org.apache.paimon.types.DataType;
import org.apache.paimon.utils.JsonSerdeUtil;

/** Changes of a schema. */
final class Alters {
    private Alters() {}

    /** Each change is [kind, column or option, ..]; types are those of a schema file. */
    static void alter(String folder, JsonNode changes) throws Exception {
        List<SchemaChange> list = new ArrayList<>();
        for (JsonNode change : changes) list.add(change(change));
        new SchemaManager(LocalFileIO.create(), new Path(folder)).commitChanges(list);
    }

    private static SchemaChange change(JsonNode json) {
        String column = json.get(1).asText();
        switch (json.get(0).asText()) {
            case "add":
                return SchemaChange.addColumn(column, type(json.get(2)), null, place(column, json, 3));
            case "drop":
                return SchemaChange.dropColumn(column);
            case "rename":
                return SchemaChange.renameColumn(column, json.get(2).asText());
            case "type":
                return SchemaChange.updateColumnType(column, type(json.get(2)), true);
            case "set":
                return SchemaChange.setOption(column, json.get(2).asText());
            case "move":
                return SchemaChange.updateColumnPosition(place(column, json, 2));
            default:
                throw new IllegalArgumentException("unknown change " + json);
        }
    }

    /** Nothing: last; "": first; a name: after it. */
    private static SchemaChange.Move place(String column, JsonNode json, int at) {
        if (json.size() <= at) return null;
        String after = json.get(at).asText();
        return after.isEmpty() ? SchemaChange.Move.first(column) : SchemaChange.Move.after(column, after);
    }

    /** A type as a schema file writes it. */
    private static DataType type(JsonNode json) {
        return JsonSerdeUtil.fromJson("{\"id\":0,\"name\":\"f\",\"type\":" + json + "}", DataField.class).type();
    }
}
