"""A site as its operator has it: Kafka of three brokers, ringpost serve, forward and authenticate, and the Prometheus that watches them; with a
mailbox server and a DNS resolver that do as they are told.

Must not know: alerts, panels, what a state is brought about for.
Invariants: everything listens on loopback at ports of its own; every process that was started here ends with this one.
"""
import contextlib
import json
import os
import re
import signal
import smtplib
import socket
import socketserver
import ssl
import struct
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

from harness import Failed, ROOT
from replicated import Replicated, Shape, dying, quiet_port, until

RULES = os.path.join(ROOT, "deploy", "prometheus", "alerts.yml")
TOPICS = {"mail": 4, "mail.large": 1, "mail.checked": 4, "mail.refused": 1}
DOMAIN, ODD_DOMAIN = "example.net", "elsewhere.example"
RECIPIENT = f"load@{DOMAIN}"
SERVE, FORWARD, AUTHENTICATE = "serve", "forward", "authenticate"
RING_PATIENCE = 60
JOBS = {SERVE: "ringpost", FORWARD: "ringpost-forward", AUTHENTICATE: "ringpost-authenticate"}


# ---- what is around ringpost ----

class Receiver(socketserver.ThreadingTCPServer):
    """A mailbox server: `code` is its answer to RCPT; after `close` nobody listens until `open`."""
    allow_reuse_address = daemon_threads = True
    request_queue_size = 200

    def __init__(self):
        self.code, self.port, self.pause = 250, quiet_port(), 0.0
        super().__init__(("127.0.0.1", self.port), self.Dialogue, bind_and_activate=False)
        self.connections = set()
        self.open()

    def open(self):
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.server_bind()
        self.server_activate()
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def close(self):
        self.shutdown()
        self.server_close()
        for connection in list(self.connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    class Dialogue(socketserver.StreamRequestHandler):
        def handle(self):
            self.server.connections.add(self.request)
            with contextlib.suppress(OSError):
                self.talk()
            self.server.connections.discard(self.request)

        def say(self, text):
            self.wfile.write(text.encode() + b"\r\n")

        def talk(self):
            self.say("220 mailbox.example")
            taken = 0
            while line := self.rfile.readline():
                verb = line.split()[0].upper() if line.split() else b""
                if verb == b"RCPT":
                    time.sleep(self.server.pause)
                    code = self.server.code
                    taken += code == 250
                    self.say({250: "250 2.1.5 ok", 451: "451 4.2.1 mailbox busy", 550: "550 5.1.1 no such user"}[code])
                elif verb == b"DATA" and taken:
                    self.say("354 go on")
                    while self.rfile.readline() not in (b".\r\n", b""):
                        pass
                    taken = 0
                    self.say("250 2.0.0 taken")
                elif verb == b"QUIT":
                    self.say("221 2.0.0 bye")
                    return
                else:
                    taken = 0 if verb in (b"RSET", b"MAIL") else taken
                    self.say("554 5.5.1 no recipient" if verb == b"DATA" else "250 2.0.0 ok")


class Resolver(threading.Thread):
    """A DNS server that knows the root and no other name. `mode`: "knows", "silent", or "broken": SERVFAIL for all but the root."""

    def __init__(self):
        super().__init__(daemon=True)
        self.mode = "knows"
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", quiet_port()))
        self.address = "127.0.0.1:%d" % self.socket.getsockname()[1]
        self.start()

    def run(self):
        while True:
            question, client = self.socket.recvfrom(4096)
            if self.mode != "silent" and len(question) > 16:
                self.socket.sendto(self.answer(question), client)

    def answer(self, question):
        end = 12
        while question[end]:
            end += question[end] + 1
        asked = question[12:end + 5]
        is_root = end == 12
        # The root's name server; anything else does not exist, or is not answered.
        record = b"\0" + struct.pack(">HHIH", 2, 1, 60, 3) + b"\1a\0" if is_root else b""
        code = 0 if is_root else 3 if self.mode == "knows" else 2
        return question[:2] + struct.pack(">HHHHH", 0x8180 | code, 1, bool(record), 0, 0) + asked + record


def certificate(folder, days):
    """mx.pem and mx.key, which end this many days from now; both are replaced at once."""
    def openssl(*arguments):
        made = subprocess.run(["openssl", *arguments], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        if made.returncode:
            raise Failed(f"openssl {arguments[0]}: {made.stderr.strip()}")
    names = "basicConstraints=CA:FALSE\nsubjectAltName=DNS:mx.example.net\n"
    with open(os.path.join(folder, "own.conf"), "w", encoding="ascii") as file:
        file.write("[ca]\ndefault_ca=own\n[own]\ndatabase=index\nnew_certs_dir=.\nrand_serial=yes\ndefault_md=sha256\npolicy=any\n"
                   f"unique_subject=no\nx509_extensions=names\n[any]\ncommonName=supplied\n[names]\n{names}")
    open(os.path.join(folder, "index"), "w", encoding="ascii").close()
    def at(days):
        return time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + days * 86_400))
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "new.key", "-out", "new.csr", "-subj", "/CN=mx.example.net")
    openssl("ca", "-batch", "-notext", "-selfsign", "-config", "own.conf", "-in", "new.csr", "-keyfile", "new.key", "-out", "new.pem",
            "-startdate", at(-30), "-enddate", at(days))
    for name in ("key", "pem"):
        os.replace(os.path.join(folder, f"new.{name}"), os.path.join(folder, f"mx.{name}"))


# ---- ringpost ----

class Program:
    """One command of ringpost; it can be stopped and started again, with other flags in place of the usual ones, at the same addresses."""

    def __init__(self, site, name, command, usual=()):
        self.site, self.name, self.command, self.usual = site, name, command, usual
        self.admin = f"127.0.0.1:{quiet_port()}"
        self.log = os.path.join(site.folder, f"{name}.log")
        self.process = None

    def start(self, *flags, **more):
        # The memory that rings lock is counted for all processes of a user: others may have it for a while.
        for _ in range(RING_PATIENCE):
            mark = self.mark()
            if self.attempt(*flags, **more):
                return
            if "locked memory is limited" not in self.lines(mark):
                break
            time.sleep(1)
        raise Failed(f"{self.name} did not start: {self.lines()[-1500:]}")

    def attempt(self, *flags, environment=None, stderr=None):
        with open(self.log, "a", encoding="utf-8") as log:
            self.process = dying([self.site.binary, *self.command, "--admin", self.admin, *(flags or self.usual)], stdin=subprocess.DEVNULL,
                                 stdout=subprocess.PIPE, stderr=stderr or log, text=True, env={**os.environ, **(environment or {})})
        return self.process.stdout.readline().startswith("ready")

    def stop(self, number=signal.SIGTERM):
        if self.process and self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait(60)

    def again(self, *flags, **more):
        self.stop()
        self.start(*flags, **more)

    def lines(self, after=0):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            log.seek(after)
            return log.read()

    def mark(self):
        return os.path.getsize(self.log) if os.path.exists(self.log) else 0

    def page(self, path):
        """The text of an admin page, whatever its status."""
        try:
            with urllib.request.urlopen(f"http://{self.admin}{path}", timeout=10) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.read().decode()

    def metric(self, name):
        """The sum of all series of this name."""
        found = re.findall(rf"^{re.escape(name)}(?:{{[^\n]*}})? (\S+)$", self.page("/metrics"), re.MULTILINE)
        return sum(float(value) for value in found)


class Site:
    """See the module. `rules` is the text of the alerts; without it Prometheus has none."""

    def __init__(self, folder, binary, rules=""):
        self.folder, self.binary = folder, binary
        self.port = quiet_port()
        os.makedirs(os.path.join(folder, "objects"))
        certificate(folder, 90)
        self.receiver, self.resolver = Receiver(), Resolver()
        self.cluster = Replicated(folder, Shape())
        self.brokers = ",".join(self.cluster.far)
        for topic, partitions in TOPICS.items():
            self.cluster.create(topic, partitions, min_insync_replicas="2")
        self.cluster.create("recipients", 1, min_insync_replicas="2", cleanup_policy="compact")
        self.configure()
        config = os.path.join(folder, "ringpost.toml")
        self.programs = {
            SERVE: Program(self, SERVE, ["serve", "--config", config]),
            FORWARD: Program(self, FORWARD, ["forward", "--config", config, "--group", "forward", "--dead-letter", "mail.refused", "--to",
                                             f"smtp://127.0.0.1:{self.receiver.port}"], ["--longest-pause", "2s"]),
            AUTHENTICATE: Program(self, AUTHENTICATE, ["authenticate", "--config", config, "--group", "authenticate", "--to-topic",
                                                       "mail.checked", "--resolver", self.resolver.address, "--patience", "1s"]),
        }
        self.serve, self.forward, self.authenticate = self.programs.values()
        added = subprocess.run([binary, "recipients", "add", "--config", config, RECIPIENT], stderr=subprocess.PIPE, text=True)
        if added.returncode:
            raise Failed(f"ringpost recipients: {added.stderr}")
        for program in self.programs.values():
            program.start()
        self.prometheus = Prometheus(folder, self.programs, rules)
        # What is counted before the first scrape is no increase.
        until(lambda: len(self.prometheus.query("up == 1")) == len(self.programs), "a scrape of each program")

    def configure(self, **options):
        """Writes ringpost.toml; an option is named TABLE__KEY, and one that is None is left out."""
        listed = {
            "server": {"hostname": "mx.example.net", "listen": [f"127.0.0.1:{self.port}"], "workers": 1},
            "recipients": {"domains": [DOMAIN], "topic": "recipients"},
            "tls": {"certificate": f"{self.folder}/mx.pem", "key": f"{self.folder}/mx.key"},
            "kafka": {"brokers": self.brokers, "topic": "mail", "require_in_sync": 2, "large_topic": "mail.large", "large_size": "32KiB"},
            "objects": {"url": f"file://{self.folder}/objects", "above": "128KiB"},
        }
        for name, value in options.items():
            table, key = name.split("__")
            listed.setdefault(table, {})[key] = value
        with open(os.path.join(self.folder, "ringpost.toml"), "w", encoding="utf-8") as file:
            for table, keys in listed.items():
                file.write(f"[{table}]\n")
                file.writelines(f"{key} = {json.dumps(value)}\n" for key, value in keys.items() if value is not None)

    def stop(self):
        for program in self.programs.values():
            with contextlib.suppress(ProcessLookupError):
                program.stop(signal.SIGKILL)
        self.prometheus.stop()
        self.cluster.stop()
        self.receiver.close()

    # ---- senders ----

    def client(self, tls=False, timeout=60):
        client = smtplib.SMTP("127.0.0.1", self.port, "client.example", timeout)
        if tls:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            client.starttls(context=context)
        return client

    def send(self, count=1, size=1000, recipient=RECIPIENT, tls=False, timeout=60):
        """Sends mails over one connection; how many got their 250. A refusal is no error."""
        text = b"From: a@sender.example\r\nTo: b@example.net\r\nSubject: watched\r\n\r\n" + b"x" * 70 + b"\r\n"
        text += (b"y" * 76 + b"\r\n") * (size // 78)
        stored = 0
        try:
            client = self.client(tls, timeout)
            for _ in range(count):
                try:
                    client.sendmail("a@sender.example", [recipient], text)
                    stored += 1
                except smtplib.SMTPResponseException:
                    client.rset()
                except smtplib.SMTPRecipientsRefused:
                    pass
            client.quit()
        except (OSError, smtplib.SMTPException):
            pass
        return stored

    def resume_tls(self):
        """Two connections, the second of which resumes the TLS session of the first."""
        context, session = ssl.create_default_context(), None
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        for _ in range(2):
            client = self.client()
            client.ehlo()
            client.docmd("STARTTLS")
            with context.wrap_socket(client.sock, server_hostname="mx.example.net", session=session) as secured:
                secured.sendall(b"EHLO x\r\n")
                secured.recv(4096)
                session = secured.session
                secured.sendall(b"QUIT\r\n")
                secured.recv(4096)

    @contextlib.contextmanager
    def load(self, pause=0.2, **mail):
        """Sends mails in the background, one connection after the other."""
        ended = threading.Event()
        def work():
            while not ended.wait(pause):
                self.send(**mail)
        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


class Prometheus:
    """Prometheus, which scrapes every second."""

    def __init__(self, folder, programs, rules):
        self.address = f"127.0.0.1:{quiet_port()}"
        config = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": ["rules.yml"] if rules else [],
            "scrape_configs": [{"job_name": JOBS[name], "static_configs": [{"targets": [program.admin]}]} for name, program in programs.items()],
        }
        with open(os.path.join(folder, "rules.yml"), "w", encoding="utf-8") as file:
            file.write(rules)
        # JSON is YAML.
        with open(os.path.join(folder, "prometheus.yml"), "w", encoding="utf-8") as file:
            json.dump(config, file)
        with open(os.path.join(folder, "prometheus.log"), "w", encoding="utf-8") as log:
            self.process = dying(["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/tsdb",
                                  f"--web.listen-address={self.address}"], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until(lambda: "Ready" in self.get("/-/ready"), "Prometheus")

    def get(self, path, **arguments):
        query = urllib.parse.urlencode(arguments)
        with urllib.request.urlopen(f"http://{self.address}{path}?{query}", timeout=30) as answer:
            return answer.read().decode()

    def ask(self, path, **arguments):
        return json.loads(self.get(path, **arguments))["data"]

    def firing(self):
        """The names of the alerts that fire."""
        return {one["labels"]["alertname"] for one in self.ask("/api/v1/alerts")["alerts"] if one["state"] == "firing"}

    def query(self, query):
        """The series of an instant query."""
        return self.ask("/api/v1/query", query=query)["result"]

    def range(self, query, seconds, step=2):
        now = time.time()
        return self.ask("/api/v1/query_range", query=query, start=now - seconds, end=now, step=step)["result"]

    def stop(self):
        self.process.terminate()
        self.process.wait()
