package interop;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.paimon.data.BinaryString;
import org.apache.paimon.data.Decimal;
import org.apache.paimon.data.GenericArray;
import org.apache.paimon.data.GenericMap;
import org.apache.paimon.data.GenericRow;
import org.apache.paimon.data.InternalArray;
import org.apache.paimon.data.InternalMap;
import org.apache.paimon.data.InternalRow;
import org.apache.paimon.data.Timestamp;
import org.apache.paimon.data.variant.GenericVariant;
import org.apache.paimon.data.variant.Variant;
import org.apache.paimon.types.ArrayType;
import org.apache.paimon.types.DataType;
import org.apache.paimon.types.DataTypes;
import org.apache.paimon.types.DecimalType;
import org.apache.paimon.types.MapType;
import org.apache.paimon.types.MultisetType;
import org.apache.paimon.types.RowKind;
import org.apache.paimon.types.RowType;

/**
 * Rows as JSON, the encoding of the golden tables, but that FLOAT and DOUBLE leave as texts: which digits stand for a
 * number is the reader's matter.
 */
final class Values {
    private static final JsonNodeFactory NODES = JsonNodeFactory.instance;
    private static final HexFormat HEX = HexFormat.of();
    private static final DateTimeFormatter TIMESTAMP = DateTimeFormatter.ofPattern("uuuu-MM-dd'T'HH:mm:ss.SSSSSSSSS");
    private static final DateTimeFormatter TIME = DateTimeFormatter.ofPattern("HH:mm:ss.SSS");

    private Values() {}

    static ArrayNode row(InternalRow row, RowType type) {
        ArrayNode out = NODES.arrayNode().add(row.getRowKind().shortString());
        return fields(row, type, out);
    }

    private static ArrayNode fields(InternalRow row, RowType type, ArrayNode out) {
        for (int i = 0; i < type.getFieldCount(); i++) {
            DataType t = type.getTypeAt(i);
            out.add(encode(InternalRow.createFieldGetter(t, i).getFieldOrNull(row), t));
        }
        return out;
    }

    private static JsonNode encode(Object value, DataType type) {
        if (value == null) return NODES.nullNode();
        switch (type.getTypeRoot()) {
            case BOOLEAN:
                return NODES.booleanNode((Boolean) value);
            case TINYINT:
            case SMALLINT:
            case INTEGER:
            case BIGINT:
                return NODES.numberNode(((Number) value).longValue());
            case FLOAT:
            case DOUBLE:
                return NODES.textNode(value.toString());
            case DECIMAL:
                return NODES.textNode(((Decimal) value).toBigDecimal().toPlainString());
            case CHAR:
            case VARCHAR:
                return NODES.textNode(value.toString());
            case BINARY:
            case VARBINARY:
                return NODES.textNode(HEX.formatHex((byte[]) value));
            case DATE:
                return NODES.textNode(LocalDate.ofEpochDay((Integer) value).toString());
            case TIME_WITHOUT_TIME_ZONE:
                return NODES.textNode(LocalTime.ofNanoOfDay((Integer) value * 1_000_000L).format(TIME));
            case TIMESTAMP_WITHOUT_TIME_ZONE:
                return NODES.textNode(((Timestamp) value).toLocalDateTime().format(TIMESTAMP));
            case TIMESTAMP_WITH_LOCAL_TIME_ZONE:
                return NODES.textNode(((Timestamp) value).toLocalDateTime().format(TIMESTAMP) + "Z");
            case VARIANT:
                return NODES.textNode(((Variant) value).toJson());
            case ARRAY:
                return list((InternalArray) value, ((ArrayType) type).getElementType());
            case MAP:
                return pairs((InternalMap) value, ((MapType) type).getKeyType(), ((MapType) type).getValueType());
            case MULTISET:
                return pairs((InternalMap) value, ((MultisetType) type).getElementType(), DataTypes.INT());
            case ROW:
                return fields((InternalRow) value, (RowType) type, NODES.arrayNode());
            default:
                throw new UnsupportedOperationException("values of type " + type);
        }
    }

    private static ArrayNode list(InternalArray array, DataType element) {
        InternalArray.ElementGetter getter = InternalArray.createElementGetter(element);
        ArrayNode out = NODES.arrayNode();
        for (int i = 0; i < array.size(); i++) out.add(encode(getter.getElementOrNull(array, i), element));
        return out;
    }

    private static ArrayNode pairs(InternalMap map, DataType keyType, DataType valueType) {
        ArrayNode keys = list(map.keyArray(), keyType);
        ArrayNode values = list(map.valueArray(), valueType);
        List<JsonNode> pairs = new ArrayList<>();
        for (int i = 0; i < keys.size(); i++) pairs.add(NODES.arrayNode().add(keys.get(i)).add(values.get(i)));
        // the order of UTF-8, not that of UTF-16
        pairs.sort((a, b) -> Arrays.compareUnsigned(utf8(a), utf8(b)));
        return NODES.arrayNode().addAll(pairs);
    }

    private static byte[] utf8(JsonNode pair) {
        return pair.get(0).toString().getBytes(StandardCharsets.UTF_8);
    }

    /** A row whose first element is its kind. */
    static GenericRow row(JsonNode json, RowType type) {
        GenericRow row = fields(json, 1, type);
        for (RowKind kind : RowKind.values()) {
            if (kind.shortString().equals(json.get(0).asText())) row.setRowKind(kind);
        }
        return row;
    }

    private static GenericRow fields(JsonNode json, int start, RowType type) {
        GenericRow row = new GenericRow(type.getFieldCount());
        for (int i = 0; i < type.getFieldCount(); i++) row.setField(i, decode(json.get(start + i), type.getTypeAt(i)));
        return row;
    }

    static Object decode(JsonNode json, DataType type) {
        if (json.isNull()) return null;
        switch (type.getTypeRoot()) {
            case BOOLEAN:
                return json.asBoolean();
            case TINYINT:
                return (byte) json.asInt();
            case SMALLINT:
                return (short) json.asInt();
            case INTEGER:
                return json.asInt();
            case BIGINT:
                return json.asLong();
            case FLOAT:
                return Float.parseFloat(json.asText());
            case DOUBLE:
                return Double.parseDouble(json.asText());
            case DECIMAL:
                DecimalType decimal = (DecimalType) type;
                return Decimal.fromBigDecimal(
                        new BigDecimal(json.asText()), decimal.getPrecision(), decimal.getScale());
            case CHAR:
            case VARCHAR:
                return BinaryString.fromString(json.asText());
            case BINARY:
            case VARBINARY:
                return HEX.parseHex(json.asText());
            case DATE:
                return (int) LocalDate.parse(json.asText()).toEpochDay();
            case TIME_WITHOUT_TIME_ZONE:
                return (int) (LocalTime.parse(json.asText()).toNanoOfDay() / 1_000_000);
            case TIMESTAMP_WITHOUT_TIME_ZONE:
            case TIMESTAMP_WITH_LOCAL_TIME_ZONE:
                return Timestamp.fromLocalDateTime(LocalDateTime.parse(json.asText().replace("Z", "")));
            case VARIANT:
                return GenericVariant.fromJson(json.asText());
            case ARRAY:
                List<Object> elements = new ArrayList<>();
                for (JsonNode e : json) elements.add(decode(e, ((ArrayType) type).getElementType()));
                return new GenericArray(elements.toArray());
            case MAP:
                return map(json, ((MapType) type).getKeyType(), ((MapType) type).getValueType());
            case MULTISET:
                return map(json, ((MultisetType) type).getElementType(), DataTypes.INT());
            case ROW:
                return fields(json, 0, (RowType) type);
            default:
                throw new UnsupportedOperationException("values of type " + type);
        }
    }

    private static GenericMap map(JsonNode json, DataType keyType, DataType valueType) {
        Map<Object, Object> map = new LinkedHashMap<>();
        for (JsonNode pair : json) map.put(decode(pair.get(0), keyType), decode(pair.get(1), valueType));
        return new GenericMap(map);
    }
}
