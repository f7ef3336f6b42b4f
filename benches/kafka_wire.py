"""The few requests that the scripts of this folder ask of a Kafka cluster as its operator, by hand: Kafka's own tools start a JVM for
each, which would take the cores from what is measured. Each request is one short-lived connection to one named broker, which passes
changes on to the controller.

Must not know: processes, folders, how long to wait. Whatever fails is a Refused (the broker's error code) or an OSError.
BUGS: no TLS, no SASL. The versions are the oldest that Kafka 4 takes.
"""
import dataclasses
import socket
import struct

ANSWER_TIMEOUT = 5
METADATA, CREATE_TOPICS, DELETE_TOPICS, CREATE_PARTITIONS = 3, 19, 20, 37
ELECT_LEADERS, INCREMENTAL_ALTER_CONFIGS, ALTER_PARTITION_REASSIGNMENTS = 43, 44, 45
# Resources of a change of configuration.
TOPIC, BROKER = 2, 4
# Every partition has its preferred leader already.
ELECTION_NOT_NEEDED = 84


class Refused(OSError):
    """The broker's error code, by the number of the protocol guide."""

    def __init__(self, what, code, text=""):
        super().__init__(f"{what}: Kafka's error {code} {text or ''}".rstrip())
        self.code = code


@dataclasses.dataclass
class Partition:
    index: int
    leader: int
    replicas: list
    in_sync: list


@dataclasses.dataclass
class Metadata:
    """What one broker knows: the brokers that are not fenced, and {topic: {partition: Partition}}."""
    brokers: set
    topics: dict


# ---- encoding: the old types, and the compact ones of the one request that has no others ----

def text(value):
    data = value.encode()
    return struct.pack(">h", len(data)) + data


def array(items):
    return struct.pack(">i", len(items)) + b"".join(items)


def varint(value):
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def compact_text(value):
    data = value.encode()
    return varint(len(data) + 1) + data


def compact_array(items):
    return varint(len(items) + 1) + b"".join(items)


NO_TAGS = b"\0"


class Reader:
    """The rest of an answer."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, form):
        values = struct.unpack_from(">" + form, self.data, self.at)
        self.at += struct.calcsize(">" + form)
        return values[0]

    def text(self):
        length = self.take("h")
        if length < 0:
            return ""
        self.at += length
        return self.data[self.at - length:self.at].decode()

    def array(self, element):
        return [element() for _ in range(self.take("i"))]

    def varint(self):
        value, shift = 0, 0
        while True:
            byte = self.take("B")
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7


def exchange(address, api, version, body, flexible=False):
    """One request, one answer: what follows the correlation id."""
    host, port = address.rsplit(":", 1)
    head = struct.pack(">hhi", api, version, 1) + text("ringpost-benches") + (NO_TAGS if flexible else b"")
    with socket.create_connection((host, int(port)), ANSWER_TIMEOUT) as connection, connection.makefile("rwb") as stream:
        stream.write(struct.pack(">i", len(head) + len(body)) + head + body)
        stream.flush()
        length = stream.read(4)
        answer = stream.read(struct.unpack(">i", length)[0]) if len(length) == 4 else b""
    if len(answer) < 4:
        raise OSError(f"{address} closed the connection")
    return Reader(answer[4:])


# ---- the requests ----

def metadata(address, topics=None):
    """What the broker knows of the cluster; topics that do not exist are left out."""
    body = struct.pack(">i", -1) if topics is None else array([text(topic) for topic in topics])
    reader = exchange(address, METADATA, 1, body)

    def broker():
        node = reader.take("i")
        reader.text(), reader.take("i"), reader.text()
        return node

    def partition():
        reader.take("h")
        return Partition(reader.take("i"), reader.take("i"), reader.array(lambda: reader.take("i")),
                         reader.array(lambda: reader.take("i")))

    def topic():
        error, name = reader.take("h"), reader.text()
        reader.take("b")
        return error, name, {one.index: one for one in reader.array(partition)}

    brokers = set(reader.array(broker))
    reader.take("i")
    return Metadata(brokers, {name: partitions for error, name, partitions in reader.array(topic) if error == 0 and partitions})


def results(reader, what, with_text):
    """Topics' results: the first that is an error."""
    def result():
        name, code = reader.text(), reader.take("h")
        words = reader.text() if with_text else ""
        if code:
            raise Refused(f"{what} {name}", code, words)
    reader.array(result)


def create_topic(address, name, assignment, **configs):
    """`assignment`: for each partition its replicas, the preferred leader first. In a name of configs `_` is a dot."""
    places = [struct.pack(">i", partition) + array([struct.pack(">i", node) for node in nodes])
              for partition, nodes in enumerate(assignment)]
    settings = [text(key.replace("_", ".")) + text(str(value)) for key, value in configs.items()]
    topic = text(name) + struct.pack(">ih", -1, -1) + array(places) + array(settings)
    reader = exchange(address, CREATE_TOPICS, 2, array([topic]) + struct.pack(">ib", 3_000, 0))
    reader.take("i")
    results(reader, "create", True)


def delete_topic(address, name):
    reader = exchange(address, DELETE_TOPICS, 1, array([text(name)]) + struct.pack(">i", 5_000))
    reader.take("i")
    results(reader, "delete", False)


def add_partitions(address, name, assignment, count):
    """`assignment` is that of the new ones, `count` the number of all."""
    places = [array([struct.pack(">i", node) for node in nodes]) for nodes in assignment]
    reader = exchange(address, CREATE_PARTITIONS, 0, array([text(name) + struct.pack(">i", count) + array(places)]) + struct.pack(">ib", 5_000, 0))
    reader.take("i")
    results(reader, "add partitions to", True)


def set_config(address, resource, name, key, value):
    one = struct.pack(">b", resource) + text(name) + array([text(key) + b"\0" + text(value)])
    reader = exchange(address, INCREMENTAL_ALTER_CONFIGS, 0, array([one]) + b"\0")
    reader.take("i")

    def result():
        code, words = reader.take("h"), reader.text()
        reader.take("b"), reader.text()
        if code:
            raise Refused(f"set {key}", code, words)
    reader.array(result)


def elect_preferred(address, name, partitions):
    """Gives each partition back to its preferred leader."""
    topic = text(name) + array([struct.pack(">i", partition) for partition in range(partitions)])
    reader = exchange(address, ELECT_LEADERS, 1, b"\0" + array([topic]) + struct.pack(">i", 5_000))
    reader.take("i")
    code = reader.take("h")
    if code:
        raise Refused("elect leaders", code)

    def partition():
        number, code, words = reader.take("i"), reader.take("h"), reader.text()
        if code not in (0, ELECTION_NOT_NEEDED):
            raise Refused(f"elect a leader of {name} {number}", code, words)

    def topics():
        reader.text()
        reader.array(partition)
    reader.array(topics)


def reassign(address, name, assignment):
    """The replicas of each partition, the preferred leader first."""
    places = [struct.pack(">i", partition) + compact_array([struct.pack(">i", node) for node in nodes]) + NO_TAGS
              for partition, nodes in enumerate(assignment)]
    topic = compact_text(name) + compact_array(places) + NO_TAGS
    reader = exchange(address, ALTER_PARTITION_REASSIGNMENTS, 0, struct.pack(">i", 5_000) + compact_array([topic]) + NO_TAGS, True)
    reader.varint()  # Tags of the head.
    reader.take("i")
    code = reader.take("h")
    if code:
        raise Refused(f"reassign {name}", code)
