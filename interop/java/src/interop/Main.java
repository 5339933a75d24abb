package interop;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;

/**
 * Released Paimon at the other end of a pipe.
 *
 * <p>Each line of stdin is a request {"id", "command", "table", ...}; each line of stdout the answer to one, with its id
 * and either the result's fields or "error". Requests run beside each other: a caller that needs an order waits.
 */
public final class Main {
    private static final ObjectMapper JSON = new ObjectMapper();

    public static void main(String[] args) throws Exception {
        PrintStream out = new PrintStream(new FileOutputStream(FileDescriptor.out), false, StandardCharsets.UTF_8);
        // whatever a library prints must not end up among the answers
        System.setOut(System.err);
        ExecutorService pool = Executors.newFixedThreadPool(Integer.parseInt(args[0]));
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line; (line = in.readLine()) != null; ) {
            JsonNode request = JSON.readTree(line);
            pool.execute(() -> {
                String text = answer(request).toString();
                synchronized (out) {
                    out.println(text);
                    out.flush();
                }
            });
        }
        pool.shutdown();
        pool.awaitTermination(1, TimeUnit.MINUTES);
        Tables.close();
    }

    private static ObjectNode answer(JsonNode request) {
        ObjectNode answer = JSON.createObjectNode();
        try {
            run(request, answer);
        } catch (Throwable e) {
            answer.removeAll();
            answer.put("error", reasons(e));
        }
        answer.set("id", request.get("id"));
        return answer;
    }

    private static void run(JsonNode request, ObjectNode answer) throws Exception {
        String table = request.get("table").asText();
        String command = request.get("command").asText();
        switch (command) {
            case "create":
                Tables.create(table, request.get("schema").toString());
                break;
            case "read":
                Reads.read(Reads.open(table, request), request, answer);
                break;
            case "stream":
                Reads.follow(Reads.open(table, request), answer);
                break;
            case "write":
                Writes.write(Tables.open(table), request);
                break;
            case "delete":
                Deletes.delete(Tables.open(table), request.get("filter"));
                break;
            case "compact":
                Compactions.compact(Tables.open(table), request.path("full").asBoolean(true));
                break;
            case "expire":
                answer.put("expired", Tables.expire(Tables.open(table), request.get("keep").asInt()));
                break;
            case "alter":
                Alters.alter(table, request.get("changes"));
                break;
            case "tag":
                Tables.open(table).createTag(request.get("name").asText());
                break;
            default:
                throw new IllegalArgumentException("unknown command " + command);
        }
    }

    /** The first line of every message in the chain of causes. */
    private static String reasons(Throwable e) {
        StringBuilder text = new StringBuilder();
        for (Throwable t = e; t != null; t = t.getCause()) {
            if (text.length() > 0) text.append(" <- ");
            text.append(t.getClass().getSimpleName()).append(": ");
            text.append(String.valueOf(t.getMessage()).lines().findFirst().orElse(""));
        }
        if (Boolean.getBoolean("interop.trace")) e.printStackTrace();
        return text.toString();
    }
}
