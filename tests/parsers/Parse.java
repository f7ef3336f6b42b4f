import jakarta.mail.Session;
import jakarta.mail.internet.MailDateFormat;
import jakarta.mail.internet.MimeMessage;
import java.io.ByteArrayInputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.text.ParseException;
import java.util.Base64;
import java.util.Properties;

/** Reads mails with Jakarta Mail: Parse FILE..., one line of JSON for each. */
public class Parse {
    public static void main(String[] files) throws Exception {
        var properties = new Properties();
        properties.put("mail.mime.allowutf8", "true");
        var session = Session.getInstance(properties);
        for (String file : files) {
            System.out.write(reading(session, Path.of(file)).getBytes(StandardCharsets.UTF_8));
            System.out.println();
        }
    }

    private static String reading(Session session, Path file) throws Exception {
        var message = new MimeMessage(session, new ByteArrayInputStream(Files.readAllBytes(file)));
        String[] received = message.getHeader("Received");
        byte[] body;
        try (var stream = message.getRawInputStream()) {
            body = stream.readNBytes(40);
        }
        return String.format(
                "{\"received\":%d,\"date\":%s,\"subject\":%s,\"from\":%s,\"body\":\"%s\"}",
                received == null ? 0 : received.length,
                received == null ? "null" : date(received[0]),
                quoted(message.getSubject()),
                quoted(message.getHeader("From", ",")),
                Base64.getEncoder().encodeToString(body));
    }

    private static long date(String received) throws ParseException {
        String text = received.substring(received.lastIndexOf(';') + 1).strip();
        return new MailDateFormat().parse(text).toInstant().getEpochSecond();
    }

    /** As a string of JSON; every character that could need it is escaped. */
    private static String quoted(String text) {
        if (text == null) {
            return "null";
        }
        var quoted = new StringBuilder("\"");
        for (char character : text.toCharArray()) {
            boolean plain = Character.isLetterOrDigit(character) || " @.,-<>".indexOf(character) >= 0;
            quoted.append(plain ? character : String.format("\\u%04x", (int) character));
        }
        return quoted.append('"').toString();
    }
}
