import java.nio.file.Files;
import java.nio.file.Path;
import java.util.StringJoiner;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.table.api.EnvironmentSettings;
import org.apache.flink.table.api.TableEnvironment;
import org.apache.flink.table.api.TableResult;
import org.apache.flink.types.Row;
import org.apache.flink.util.CloseableIterator;

/**
 * Runs the statements of files in batch mode on a Paimon warehouse, in this process, and prints what they return: fields apart
 * by tabs, no header. Arguments: the warehouse, then the files. A statement ends with a semicolon at the end of a line.
 */
public class FlinkRunner {
  public static void main(String[] arguments) throws Exception {
    Configuration settings = new Configuration();
    settings.setString("parallelism.default", "1");
    settings.setString("table.dml-sync", "true");
    settings.setString("table.local-time-zone", "UTC");
    settings.setString("taskmanager.memory.managed.size", "128m");
    settings.setString("rest.address", "127.0.0.1");
    settings.setString("rest.bind-address", "127.0.0.1");
    settings.setString("rest.bind-port", "0");
    TableEnvironment session =
        TableEnvironment.create(EnvironmentSettings.newInstance().withConfiguration(settings).inBatchMode().build());
    session.executeSql("CREATE CATALOG paimon WITH ('type' = 'paimon', 'warehouse' = '" + arguments[0] + "')");
    session.executeSql("USE CATALOG paimon");
    for (int i = 1; i < arguments.length; i++) {
      String text = Files.readString(Path.of(arguments[i])).replaceAll("(?m)^--.*$", "");
      for (String statement : text.split(";[ ]*(\n|$)")) {
        if (!statement.isBlank()) {
          run(session, statement.trim());
        }
      }
    }
    System.exit(0);
  }

  private static void run(TableEnvironment session, String statement) throws Exception {
    TableResult result;
    try {
      result = session.executeSql(statement);
    } catch (Exception e) {
      throw new IllegalStateException("failed: " + statement, e);
    }
    boolean query = statement.startsWith("SELECT");
    if (!query && !statement.startsWith("CALL")) {
      return;
    }
    // what a CALL tells is no row of a query, but has to be waited for
    try (CloseableIterator<Row> rows = result.collect()) {
      while (rows.hasNext()) {
        Row row = rows.next();
        if (query) {
          StringJoiner line = new StringJoiner("\t");
          for (int field = 0; field < row.getArity(); field++) {
            line.add(String.valueOf(row.getField(field)));
          }
          System.out.println(line);
        }
      }
    }
  }
}
