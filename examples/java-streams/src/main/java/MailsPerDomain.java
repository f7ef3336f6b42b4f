import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.PrintStream;
import java.net.IDN;
import java.nio.charset.StandardCharsets;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Properties;
import java.util.Set;
import java.util.TreeSet;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.kstream.Windowed;
import org.apache.kafka.streams.processor.TimestampExtractor;
import org.apache.kafka.streams.processor.api.ContextualProcessor;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.WindowStore;

/** Counts mails per recipient domain and minute, and prints each new count as one line of JSON. */
public class MailsPerDomain {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final PrintStream OUT = new PrintStream(System.out, true, StandardCharsets.UTF_8);

    /** The text of an attribute; null if the record does not have it. Others that are there are not looked at. */
    private static String attribute(Headers headers, String name) {
        var header = headers.lastHeader(name);
        return header == null ? null : new String(header.value(), StandardCharsets.UTF_8);
    }

    /** When ringpost received the mail, so that counts are the same whenever they are made. */
    private static class Received implements TimestampExtractor {
        @Override
        public long extract(ConsumerRecord<Object, Object> record, long partitionTime) {
            try {
                return Instant.parse(attribute(record.headers(), "ce_time")).toEpochMilli();
            } catch (DateTimeException | NullPointerException none) {
                return record.timestamp();
            }
        }
    }

    /** Makes one record for each domain of a mail, with the domain as its key. The message goes no further. */
    private static class ByDomain extends ContextualProcessor<byte[], byte[], String, String> {
        @Override
        public void process(Record<byte[], byte[]> record) {
            String type = attribute(record.headers(), "ce_type");
            if (record.value() == null || type == null || !type.startsWith("io.ringpost.mail.")) {
                return; // A tombstone, or another program's.
            }
            String id = attribute(record.headers(), "ce_id");
            try {
                for (String domain : domains(attribute(record.headers(), "ce_smtpto"))) {
                    context().forward(new Record<>(domain, id, record.timestamp()));
                }
            } catch (JsonProcessingException | IllegalArgumentException error) {
                System.err.println(id + ": its recipients cannot be read: " + error.getMessage());
            }
        }
    }

    /** The domains of recipients, each once; case and the form of an internationalized domain do not matter. */
    private static Set<String> domains(String recipients) throws JsonProcessingException {
        var domains = new TreeSet<String>();
        for (String recipient : JSON.readValue(recipients, String[].class)) {
            String domain = recipient.substring(recipient.lastIndexOf('@') + 1);
            domains.add(domain.startsWith("[") ? domain : IDN.toASCII(domain, IDN.ALLOW_UNASSIGNED).toLowerCase(Locale.ROOT));
        }
        return domains;
    }

    private static void print(Windowed<String> domain, long mails) {
        var line = new LinkedHashMap<String, Object>();
        line.put("domain", domain.key());
        line.put("minute", domain.window().startTime().toString());
        line.put("mails", mails);
        try {
            OUT.println(JSON.writeValueAsString(line));
        } catch (JsonProcessingException impossible) {
            throw new IllegalStateException(impossible);
        }
    }

    private static Topology topology(String topic) {
        var builder = new StreamsBuilder();
        var bytes = Serdes.ByteArray();
        var text = Serdes.String();
        builder.stream(topic, Consumed.with(bytes, bytes).withTimestampExtractor(new Received()))
            .process(ByDomain::new)
            .groupByKey(Grouped.with("by-domain", text, text))
            // A minute takes mails that are up to a day late, as when the topic is read from its beginning.
            .windowedBy(TimeWindows.ofSizeAndGrace(Duration.ofMinutes(1), Duration.ofDays(1)))
            .count(Materialized.<String, Long, WindowStore<Bytes, byte[]>>as("per-minute").withKeySerde(text).withValueSerde(Serdes.Long()))
            .toStream()
            .foreach(MailsPerDomain::print);
        return builder.build();
    }

    private static String setting(String name, String otherwise) {
        return System.getenv().getOrDefault(name, otherwise);
    }

    public static void main(String[] arguments) {
        var properties = new Properties();
        properties.setProperty("bootstrap.servers", setting("BROKERS", "127.0.0.1:9092"));
        // The name of the group, and of the topics that Streams makes for itself.
        properties.setProperty("application.id", setting("GROUP", "example-java-streams"));
        properties.setProperty("auto.offset.reset", "earliest");
        // Offsets are committed with the counts that they are in, in a transaction: after a stop nothing counts twice.
        properties.setProperty("processing.guarantee", "exactly_once_v2");
        properties.setProperty("state.dir", setting("STATE", "target/state"));
        var streams = new KafkaStreams(topology(setting("TOPIC", "mail")), properties);
        Runtime.getRuntime().addShutdownHook(new Thread(streams::close));
        streams.start();
    }
}
