"""One real broker for the scripts of this folder, ringposts on it, and the bare produce loop beside them.

The broker has a second listener, reached through a proxy that adds a round trip (`delay`), whose advertised port is the proxy's, so that
no client goes past it. Needs Java; tests/support/kafka/brokers starts it.
"""
import json
import os
import re
import socket
import subprocess

from harness import Failed, LOADTEST, RELEASE, ROOT, configuration, free_port, ringpost

BROKERS = os.path.join(ROOT, "tests", "support", "kafka", "brokers")
# A broker as in production: the optimising compiler and a heap that the load does not fill.
JVM = "-Xmx3g -XX:TieredStopAtLevel=4"


def free_kafka_port():
    """Two ports ten apart, as the brokers' script wants them."""
    while True:
        port = free_port()
        with socket.socket() as probe:
            if port < 65_000 and probe.connect_ex(("127.0.0.1", port + 10)) != 0:
                return port


class Cluster:
    """One broker with two listeners: one as it is, one whose clients go through the proxy."""

    def __init__(self, folder, delay=0):
        self.folder = os.path.join(folder, "kafka")
        self.proxy = None
        port = free_kafka_port()
        self.address = f"127.0.0.1:{port}"
        prepared = subprocess.run([BROKERS, "prepare", self.folder, "127.0.0.1", f"{port}:{port + 10}"],
                                  stderr=subprocess.PIPE, text=True)
        if prepared.returncode != 0:
            raise Failed(f"without Kafka: {prepared.stderr.strip()}")
        self.far = self.start_proxy(delay) if delay else self.address
        self.start()

    def start_proxy(self, delay):
        self.inner = f"127.0.0.1:{free_port()}"
        self.proxy = subprocess.Popen(
            [f"{RELEASE}/delay", "--listen", "127.0.0.1:0", "--to", self.inner, "--round-trip", str(delay)],
            stdout=subprocess.PIPE, text=True)
        return self.proxy.stdout.readline().split()[1]

    def start(self):
        path = os.path.join(self.folder, "0", "server.properties")
        with open(path, encoding="utf-8") as file:
            lines = file.read().splitlines()
        lines = [line for line in lines if not line.startswith("message.max.bytes")] + [f"message.max.bytes={80 << 20}"]
        if self.proxy:
            extra = {"listeners": f"FAR://{self.inner}", "advertised.listeners": f"FAR://{self.far}",
                     "listener.security.protocol.map": "FAR:PLAINTEXT"}
            lines = [f"{line},{extra[line.split('=')[0]]}" if line.split("=")[0] in extra else line for line in lines]
        with open(path, "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
        started = subprocess.run([BROKERS, "start", self.folder], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                 text=True, env={**os.environ, "RINGPOST_KAFKA_JVM_OPTIONS": JVM})
        if started.returncode != 0:
            raise Failed(f"Kafka did not start: {started.stderr.strip()}")
        with open(os.path.join(self.folder, "0", "pid"), encoding="ascii") as file:
            self.pid = int(file.read())

    def topic(self, partitions):
        """Makes the topic mail-N with N partitions, through the first listener: the brokers' script would name both."""
        java = os.environ.get("JAVA_HOME")
        jars = subprocess.run([BROKERS, "jars"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
        subprocess.run([f"{java}/bin/java" if java else "java", "-Xmx128m", "-XX:TieredStopAtLevel=1",
                        "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", f"{jars}/*",
                        "org.apache.kafka.tools.TopicCommand", "--bootstrap-server", self.address, "--create", "--topic",
                        f"mail-{partitions}", "--partitions", str(partitions), "--replication-factor", "1"],
                       check=True, stdout=subprocess.DEVNULL)

    def log_bytes(self, partitions):
        data = os.path.join(self.folder, "0", "data")
        return sum(entry.stat().st_size for partition in range(partitions)
                   for entry in os.scandir(os.path.join(data, f"mail-{partitions}-{partition}")) if entry.name.endswith(".log"))

    def warm_up(self, folder, seconds, partitions=(8,)):
        """The broker's compiler, and the files of each topic."""
        for number in partitions:
            server = start_ringpost(folder, f"warm-up {number}", self.address, number)
            try:
                report(loadtest(server.port, seconds if number == 8 else 1, 200))
            finally:
                server.stop()

    def stop(self):
        subprocess.run([BROKERS, "stop", self.folder], check=False)
        if self.proxy:
            self.proxy.kill()
            self.proxy.wait()


def start_ringpost(folder, name, address, partitions, properties=None, binary=None, kafka=None, more=""):
    """A ringpost with its own configuration file; `kafka` are keys of [kafka], `more` is TOML that follows all the rest."""
    own = os.path.join(folder, re.sub(r"\W+", "-", name))
    os.makedirs(own, exist_ok=True)
    server = ringpost("ringpost", address, f"mail-{partitions}", binary)
    configuration(own, properties=properties, kafka=kafka, more=more)
    server.start(own)
    return server


def loadtest(port, seconds, connections, rate=0, size="4KiB", extra=(), binary=LOADTEST):
    size = [] if "--size" in extra or "--corpus" in extra else ["--size", size]
    command = [binary, "--connections", str(connections), "--duration", f"{seconds}s", *size, "--to",
               "load@example.net", "--quiet", "--json"] + (["--rate", str(rate)] if rate else []) + list(extra)
    return subprocess.Popen(command + [f"127.0.0.1:{port}"], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)


def report(process):
    """The report of a run of the load tester in which everything was accepted."""
    text, _ = process.communicate(timeout=300)
    try:
        result = json.loads(text)
    except ValueError:
        raise Failed(f"ringpost-loadtest: {text[-500:]}") from None
    if result["messages"]["accepted"] == 0 or result["messages"]["refused"] or result["errors_total"]:
        raise Failed(f"not everything was accepted: {result['messages']}, {result['errors']}")
    return result


def times_of_mails(result):
    """p50, p99 and longest ms to the 250."""
    reply = result["latency_microseconds"]["reply"]
    return [reply["p50"] / 1e3, reply["p99"] / 1e3, reply["max"] / 1e3]


def produce(address, topic, size, records, rate, *more):
    """The bare produce loop with ringpost's settings, under way."""
    command = [f"{RELEASE}/floor-produce", "--brokers", address, "--topic", topic, "--size", str(size),
               "--records", str(int(records)), "--rate", str(int(rate)), *more]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)


def produced(process):
    """What the bare loop printed: {name: number}."""
    text, _ = process.communicate(timeout=300)
    found = {name: float(value) for name, value in re.findall(r"(\w+)=([\d.]+)", text)}
    if process.returncode != 0 or "p99_ms" not in found:
        raise Failed(f"floor-produce: {text[-500:]}")
    return found
