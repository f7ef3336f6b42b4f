"""A real cluster of several brokers whose operator, machine or network fails: brokers are killed, frozen, filled up and cut off.

Owns the brokers' processes, folder, ports and mounts; tests/support/kafka/brokers has the recipe. A broker has two listeners: CLIENT,
for the other brokers and for what reads the topic back, and FAR, which ringpost uses; where a proxy is asked for, FAR is behind it.
Must not know: ringpost, mails, what is measured.
Invariants: every process that was started here ends with this one, however that ends (setpriv --pdeathsig), and nothing else is signalled.
"""
import dataclasses
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

from harness import Failed, HERE, ROOT
import kafka_wire

BROKERS = os.path.join(ROOT, "tests", "support", "kafka", "brokers")
REPLICAS, IN_SYNC = 3, 2
POLL = 0.05
# For a broker to answer, on a machine that others keep busy.
DEADLINE = 120


def quiet_port():
    """A port that the kernel gives to nobody's connection: it has to be free again after its broker was killed."""
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as file:
        first = int(file.read().split()[0])
    while True:
        port = random.randrange(10_000, first) if first > 11_000 else 0
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return probe.getsockname()[1]
            except OSError:
                continue


def dying(command, **more):
    """A process that the kernel kills when this one has ended, in its own session, so that Ctrl-C is this program's alone."""
    return subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *command], start_new_session=True, **more)


def until(condition, what, seconds=DEADLINE):
    """Waits for a condition; an error of the network is a no. What it was when it held."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            found = condition()
        except OSError:
            found = None
        if found:
            return found
        if time.monotonic() > deadline:
            raise Failed(f"waited {seconds} s in vain for {what}")
        time.sleep(POLL)


@dataclasses.dataclass
class Shape:
    """What a cluster is like; the rest is the recipe's."""
    # The controllers are processes of their own: a quorum that no fault of a broker touches.
    apart: bool = False
    proxied: bool = False
    # Folder with pem files of each broker (broker-NODE.pem) and ca.pem: FAR speaks TLS.
    tls: str = ""
    # {node: bytes}: the disk of this broker.
    disks: dict = dataclasses.field(default_factory=dict)
    lines: dict = dataclasses.field(default_factory=dict)
    jvm: str = ""


class Replicated:
    """Three brokers, numbered from 0; with controllers apart, node 3 is the controller."""

    def __init__(self, folder, shape):
        self.folder, self.shape = os.path.join(folder, "kafka"), shape
        self.nodes, self.processes, self.mounts, self.logs = list(range(REPLICAS)), {}, [], []
        self.proxy = None
        try:
            self.prepare()
            self.start(*self.nodes, *([REPLICAS] if shape.apart else []))
        except BaseException:
            self.stop()
            raise

    # ---- its configuration ----

    def prepare(self):
        ports = [(quiet_port(), quiet_port(), quiet_port()) for _ in range(REPLICAS + self.shape.apart)]
        self.addresses = [f"127.0.0.1:{client}" for client, _, _ in ports[:REPLICAS]]
        inner = [f"127.0.0.1:{far}" for _, _, far in ports[:REPLICAS]]
        self.proxy = Proxy(inner) if self.shape.proxied else None
        self.far = self.proxy.addresses if self.proxy else inner
        pairs = [f"{client}:{controller}" for client, controller, _ in ports]
        prepared = subprocess.run([BROKERS, "prepare", self.folder, "127.0.0.1", *pairs], stderr=subprocess.PIPE, text=True)
        jars = subprocess.run([BROKERS, "jars"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        if prepared.returncode or jars.returncode:
            raise Failed(f"without Kafka: {prepared.stderr}{jars.stderr}".strip())
        for node in range(len(ports)):
            self.configure(node, inner[node] if node in self.nodes else "", ports[-1][1])

    def configure(self, node, inner, controller):
        path = os.path.join(self.folder, str(node), "server.properties")
        with open(path, encoding="utf-8") as file:
            values = dict(line.split("=", 1) for line in file.read().splitlines() if "=" in line and not line.startswith("#"))
        # The number of brokers is not that of the processes, where the controller is one of them.
        for key in ("default.replication.factor", "offsets.topic.replication.factor", "transaction.state.log.replication.factor",
                    "share.coordinator.state.topic.replication.factor"):
            values[key] = str(REPLICAS)
        values["log.dirs"] = self.disk(node)
        if self.shape.apart:
            values["controller.quorum.voters"] = f"{REPLICAS}@127.0.0.1:{controller}"
            values["process.roles"] = "broker" if inner else "controller"
        if inner:
            if self.shape.apart:
                values["listeners"] = values["listeners"].split(",")[0]
            values["listeners"] += f",FAR://{inner}"
            values["advertised.listeners"] += f",FAR://{self.far[node]}"
            values["listener.security.protocol.map"] += ",FAR:SSL" if self.shape.tls else ",FAR:PLAINTEXT"
            if self.shape.tls:
                values["listener.name.far.ssl.keystore.type"] = "PEM"
                values["listener.name.far.ssl.keystore.location"] = os.path.join(self.shape.tls, f"broker-{node}.pem")
        else:
            values["listeners"] = f"CONTROLLER://127.0.0.1:{controller}"
            del values["advertised.listeners"], values["inter.broker.listener.name"]
        values.update(self.shape.lines)
        with open(path, "w", encoding="utf-8") as file:
            file.writelines(f"{key}={value}\n" for key, value in values.items())

    def disk(self, node):
        """The folder of a broker's log; its own small file system where one is asked for."""
        data = os.path.join(self.folder, str(node), "data")
        if node in self.shape.disks:
            mount = os.path.join(self.folder, str(node), "disk")
            os.makedirs(mount)
            made = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={self.shape.disks[node]}", "tmpfs", mount],
                                  stderr=subprocess.PIPE, text=True)
            if made.returncode:
                raise Failed(f"a small disk needs root: {made.stderr.strip()}")
            self.mounts.append(mount)
            data = os.path.join(mount, "data")
            # Where `brokers run` looks whether it has been formatted.
            os.symlink(data, os.path.join(self.folder, str(node), "data"))
        return data

    def network(self, command, *nodes):
        self.proxy.tell(command, *nodes)

    # ---- its processes ----

    def start(self, *nodes):
        """Starts brokers, and waits until each of them says that it is one of the cluster."""
        for node in nodes:
            self.launch(node)
        for node in nodes:
            self.await_member(node)

    def launch(self, node):
        options = f"{self.shape.jvm} {os.environ.get('RINGPOST_KAFKA_JVM_OPTIONS', '')}"
        self.processes[node] = dying([BROKERS, "run", self.folder, str(node)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                     stderr=subprocess.DEVNULL, env={**os.environ, "RINGPOST_KAFKA_JVM_OPTIONS": options})

    def await_member(self, node):
        if node in self.nodes:
            until(lambda: self.lives(node) and node in kafka_wire.metadata(self.addresses[node], []).brokers, f"broker {node}")

    def lives(self, node):
        process = self.processes.get(node)
        if process and process.poll() is not None:
            with open(os.path.join(self.folder, str(node), "log"), encoding="utf-8", errors="replace") as file:
                raise Failed(f"broker {node} ended: {file.read()[-1500:]}")
        return process is not None

    def signal(self, number, *nodes):
        for node in nodes:
            self.processes[node].send_signal(number)

    def kill(self, *nodes):
        self.signal(signal.SIGKILL, *nodes)
        self.reap(*nodes)

    def terminate(self, *nodes):
        self.signal(signal.SIGTERM, *nodes)
        self.reap(*nodes)

    def reap(self, *nodes):
        for node in nodes:
            process = self.processes[node]
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            del self.processes[node]

    def stop(self):
        for process in self.processes.values():
            process.kill()
            process.wait()
        self.processes.clear()
        if self.proxy:
            self.proxy.stop()
        for mount in self.mounts:
            subprocess.run(["umount", "-l", mount], check=False)

    # ---- what it says ----

    def ask(self, *topics):
        """The metadata of the first broker that answers."""
        error = OSError("no broker runs")
        for node in self.nodes:
            if node in self.processes:
                try:
                    return kafka_wire.metadata(self.addresses[node], topics)
                except OSError as found:
                    error = found
        raise error

    def operator(self, request, *arguments, **more):
        """An operator's request, to a broker that answers, until it is done: right after a start the controller may not be known."""
        def attempt():
            for node in self.nodes:
                if node in self.processes:
                    try:
                        request(self.addresses[node], *arguments, **more)
                        return True
                    except OSError:
                        continue
            return False
        until(attempt, request.__name__, 30)

    def create(self, topic, partitions, **configs):
        """A topic whose leaders are spread evenly, and known to all brokers when this returns."""
        kafka_wire.create_topic(self.addresses[0], topic, self.assignment(partitions), **configs)
        self.await_in_sync(topic, partitions=partitions)

    def assignment(self, partitions, first=0):
        return [[(partition + place) % REPLICAS for place in range(REPLICAS)] for partition in range(first, partitions)]

    def leader(self, topic, partition=0):
        def known():
            found = self.ask(topic).topics[topic][partition].leader
            return found in self.processes and (found,)
        return until(lambda: topic in self.ask(topic).topics and known(), f"a leader of {topic}")[0]

    def takes(self, topic):
        """Whether a record could be stored: a partition has a leader that runs, and enough replicas in sync."""
        try:
            partitions = self.ask(topic).topics.get(topic, {}).values()
        except OSError:
            return False
        return any(one.leader in self.processes and len(one.in_sync) >= IN_SYNC for one in partitions)

    def await_takes(self, topic):
        until(lambda: self.takes(topic), f"a partition of {topic} that takes records")

    def await_in_sync(self, *topics, partitions=0, seconds=DEADLINE):
        """Until every broker says that all replicas of all partitions are in sync."""
        def all_in_sync():
            for node in self.nodes:
                found = kafka_wire.metadata(self.addresses[node], topics)
                if len(found.brokers) < REPLICAS:
                    return False
                for topic in topics:
                    known = found.topics.get(topic, {})
                    if len(known) < max(partitions, 1) or any(len(one.in_sync) < REPLICAS or one.leader < 0 for one in known.values()):
                        return False
            return True
        until(all_in_sync, f"all replicas of {', '.join(topics)} in sync", seconds)


class Store:
    """An object store, behind a proxy."""

    def __init__(self, folder):
        self.folder, self.port, self.process = os.path.join(folder, "store"), quiet_port(), None
        os.makedirs(self.folder)
        self.start()
        self.proxy = Proxy([f"127.0.0.1:{self.port}"])
        self.address = self.proxy.addresses[0]

    def start(self):
        self.process = dying([sys.executable, os.path.join(HERE, "object_store.py"), self.folder, str(self.port)],
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        self.process.stdout.readline()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.kill()
        self.proxy.stop()


class Proxy:
    """proxy.py under way, in front of these addresses."""

    def __init__(self, to):
        self.process = dying([sys.executable, os.path.join(HERE, "proxy.py"), ",".join(to)], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, text=True)
        self.addresses = self.process.stdout.readline().strip().split(",")

    def tell(self, command, *numbers):
        """It is in force when this returns."""
        self.process.stdin.write(" ".join([command, *map(str, numbers)]) + "\n")
        self.process.stdin.flush()
        self.process.stdout.readline()

    def stop(self):
        self.process.kill()
        self.process.wait()


def certificates(folder, seconds, name):
    """A broker's certificate that ends this many seconds from now, by the authority ca.pem, for 127.0.0.1; NAME.pem has its key too."""
    def openssl(*arguments):
        made = subprocess.run(["openssl", *arguments], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        if made.returncode:
            raise Failed(f"openssl {arguments[0]}: {made.stderr.strip()}")
    path = os.path.join(folder, "ca.pem")
    if not os.path.exists(path):
        if not shutil.which("openssl"):
            raise Failed("no openssl, which makes the certificates")
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=authority", "-days", "2")
        open(os.path.join(folder, "index"), "w", encoding="ascii").close()
        with open(os.path.join(folder, "ca.conf"), "w", encoding="ascii") as file:
            file.write("[ca]\ndefault_ca=own\n[own]\ndatabase=index\nnew_certs_dir=.\nrand_serial=yes\ncertificate=ca.pem\n"
                       "private_key=ca.key\ndefault_md=sha256\npolicy=any\nunique_subject=no\nx509_extensions=names\n"
                       "[any]\ncommonName=supplied\n[names]\nsubjectAltName=IP:127.0.0.1\n")
    end = time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + seconds))
    begin = time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() - 60))
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "broker.key", "-out", "broker.csr", "-subj", "/CN=127.0.0.1")
    openssl("ca", "-batch", "-config", "ca.conf", "-in", "broker.csr", "-out", "broker.crt", "-startdate", begin, "-enddate", end, "-notext")
    with open(os.path.join(folder, f"{name}.pem"), "w", encoding="ascii") as out:
        for part in ("broker.key", "broker.crt"):
            with open(os.path.join(folder, part), encoding="ascii") as file:
                out.write(re.search(r"-----BEGIN .*-----END [^\n]*\n", file.read(), re.DOTALL)[0])
