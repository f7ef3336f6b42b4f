import com.fasterxml.jackson.databind.ObjectMapper;
import jakarta.mail.MessagingException;
import jakarta.mail.Multipart;
import jakarta.mail.Part;
import jakarta.mail.Session;
import jakarta.mail.internet.MimeMessage;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.errors.WakeupException;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** Prints sender, recipients, subject and attachments of each mail in the topic, one line of JSON a mail. */
public class Mails {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final PrintStream OUT = new PrintStream(System.out, true, StandardCharsets.UTF_8);
    /** A mail with SMTPUTF8 has UTF-8 in its headers; many mailers write names of attachments as encoded words. */
    private static final Properties MIME = new Properties();

    static {
        MIME.setProperty("mail.mime.allowutf8", "true");
        MIME.setProperty("mail.mime.decodefilename", "true");
    }

    /** The text of an attribute; null if the record does not have it. Others that are there are not looked at. */
    private static String attribute(Headers headers, String name) {
        var header = headers.lastHeader(name);
        return header == null ? null : new String(header.value(), StandardCharsets.UTF_8);
    }

    /** The whole message: the record's value, or the object that it refers to. */
    private static byte[] messageOf(ConsumerRecord<byte[], byte[]> record) throws IOException {
        String url = attribute(record.headers(), "ce_dataref");
        if (url == null) {
            return record.value();
        }
        if (url.startsWith("file:")) {
            return Files.readAllBytes(Path.of(URI.create(url)));
        }
        String id = attribute(record.headers(), "ce_id");
        System.err.println(id + ": only the header section is here, the message is at " + url);
        return record.value();
    }

    /** What is printed of a mail. */
    private static Map<String, Object> facts(ConsumerRecord<byte[], byte[]> record) throws IOException, MessagingException {
        var mail = new MimeMessage(Session.getInstance(MIME), new ByteArrayInputStream(messageOf(record)));
        var attachments = new ArrayList<Map<String, Object>>();
        addAttachments(mail, attachments);
        var facts = new LinkedHashMap<String, Object>();
        facts.put("sender", attribute(record.headers(), "ce_smtpfrom")); // empty for a bounce
        facts.put("recipients", JSON.readValue(attribute(record.headers(), "ce_smtpto"), List.class));
        facts.put("subject", mail.getSubject());
        facts.put("attachments", attachments);
        return facts;
    }

    private static void addAttachments(Part part, List<Map<String, Object>> found) throws IOException, MessagingException {
        if (part.isMimeType("multipart/*")) {
            var parts = (Multipart) part.getContent();
            for (int at = 0; at < parts.getCount(); at++) {
                addAttachments(parts.getBodyPart(at), found);
            }
        } else if (Part.ATTACHMENT.equalsIgnoreCase(part.getDisposition())) {
            var attachment = new LinkedHashMap<String, Object>();
            attachment.put("name", part.getFileName());
            attachment.put("type", part.getContentType().split(";")[0].strip().toLowerCase());
            attachment.put("size", part.getInputStream().readAllBytes().length);
            found.add(attachment);
        }
    }

    /** Prints a record that is a mail; says on standard error what is none, or cannot be read. */
    private static void handle(ConsumerRecord<byte[], byte[]> record) {
        String place = record.topic() + ":" + record.partition() + ":" + record.offset();
        String type = attribute(record.headers(), "ce_type");
        if (record.value() == null || type == null || !type.startsWith("io.ringpost.mail.")) {
            System.err.println(place + ": passed over: not a mail of ringpost");
            return;
        }
        try {
            OUT.println(JSON.writeValueAsString(facts(record)));
        } catch (Exception error) { // The content is a stranger's: one bad mail must not stop all others.
            System.err.println(place + ": cannot be read: " + error);
        }
    }

    private static String setting(String name, String otherwise) {
        return System.getenv().getOrDefault(name, otherwise);
    }

    public static void main(String[] arguments) {
        MIME.forEach((name, value) -> System.setProperty((String) name, (String) value));
        var properties = new Properties();
        properties.setProperty("bootstrap.servers", setting("BROKERS", "127.0.0.1:9092"));
        properties.setProperty("group.id", setting("GROUP", "example-java"));
        properties.setProperty("auto.offset.reset", "earliest");
        properties.setProperty("enable.auto.commit", "false");
        var consumer = new KafkaConsumer<>(properties, new ByteArrayDeserializer(), new ByteArrayDeserializer());
        var main = Thread.currentThread();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            consumer.wakeup();
            try {
                main.join();
            } catch (InterruptedException interrupted) {
                Thread.currentThread().interrupt();
            }
        }));
        try (consumer) { // Its close leaves the group.
            consumer.subscribe(List.of(setting("TOPIC", "mail")));
            while (true) {
                consumer.poll(Duration.ofSeconds(1)).forEach(Mails::handle);
                // At least once: offsets are committed when their records have been handled.
                try {
                    consumer.commitSync();
                } catch (CommitFailedException taken) {
                    System.err.println("the group has given the partitions away; another member reads these records again");
                }
            }
        } catch (WakeupException stopped) {
            // SIGINT or SIGTERM.
        }
    }
}
