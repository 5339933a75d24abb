import java.lang.reflect.Field;
import java.net.InetAddress;
import java.util.Map;
import org.apache.paimon.rest.RESTCatalogServer;
import org.apache.paimon.rest.auth.BearTokenAuthProvider;
import org.apache.paimon.rest.responses.ConfigResponse;

/** The REST catalog server of Java Paimon's tests on a port of our choice. Arguments: port, folder, warehouse, token. */
public class RestServer {
    public static void main(String[] arguments) throws Exception {
        ConfigResponse config = new ConfigResponse(Map.of("prefix", "paimon"), Map.of());
        RESTCatalogServer server =
                new RESTCatalogServer(
                        "file:" + arguments[1], new BearTokenAuthProvider(arguments[3]), config, arguments[2]);
        // its own start takes any free port
        Field web = RESTCatalogServer.class.getDeclaredField("server");
        web.setAccessible(true);
        Object listener = web.get(server);
        InetAddress loopback = InetAddress.getLoopbackAddress();
        listener.getClass()
                .getMethod("start", InetAddress.class, int.class)
                .invoke(listener, loopback, Integer.parseInt(arguments[0]));
        Thread.sleep(Long.MAX_VALUE);
    }
}
