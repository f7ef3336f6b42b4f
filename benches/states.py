"""The states that deploy/prometheus/alerts.yml is about: each brings a site into one, and out of it again as docs/runbook.md says.

A state is a generator. It yields once while the state lasts, with what the runbook's "Look at" should show meanwhile: (program, place,
pattern), where the place is "log", "readyz" or "metrics", or "prometheus", where it is a query. What follows the yield is the runbook's "Do".
Must not know: whether an alert fires, how long that takes.
"""
import contextlib
import os
import resource
import signal
import socket
import threading
import time

from site_under_watch import AUTHENTICATE, DOMAIN, FORWARD, ODD_DOMAIN, RECIPIENT, SERVE, certificate
import kafka_wire
from replicated import until

TOPIC_RESOURCE = 2


def instance_down(site):
    """kill -9 of serve"""
    site.serve.stop(signal.SIGKILL)
    yield []
    site.serve.start()


def restarts(site):
    """serve is restarted four times"""
    for _ in range(4):
        site.serve.again()
        until_scraped(site)
    yield [(SERVE, "log", "stopped"), (SERVE, "metrics", "process_resident_memory_bytes")]


def until_scraped(site):
    """Until Prometheus has read the start that serve has had last."""
    began = site.serve.metric("process_start_time_seconds")
    query = f'process_start_time_seconds{{instance="{site.serve.admin}"}}'
    until(lambda: any(abs(float(one["value"][1]) - began) < 0.01 for one in site.prometheus.query(query)), "a scrape")


def storage_away(site):
    """kill -9 of all brokers"""
    site.cluster.kill(*site.cluster.nodes)
    with site.load(), site.load(pause=7):
        yield [(SERVE, "readyz", "away|broker|Kafka"), (SERVE, "log", "storage away since"),
               (SERVE, "metrics", 'ringpost_refusals_total{reason="storage_(closed|away)"} [1-9]')]
    site.cluster.start(*site.cluster.nodes)
    site.cluster.await_in_sync(*["mail", "mail.checked"])


def topic_below_required(site):
    """min.insync.replicas of the topic is lowered from 2 to 1"""
    site.cluster.operator(kafka_wire.set_config, TOPIC_RESOURCE, "mail", "min.insync.replicas", "1")
    yield [(SERVE, "log", "min.insync.replicas"), (SERVE, "metrics", 'ringpost_topic_min_insync_replicas{topic="mail"} 1')]
    site.cluster.operator(kafka_wire.set_config, TOPIC_RESOURCE, "mail", "min.insync.replicas", "2")


def mails_not_stored(site):
    """max.message.bytes of the topic is lowered to 2000 under load"""
    site.cluster.operator(kafka_wire.set_config, TOPIC_RESOURCE, "mail", "max.message.bytes", "2000")
    with site.load(size=20_000), site.load(size=500):
        yield [(SERVE, "metrics", 'ringpost_refusals_total{reason="kafka_too_big"} [1-9]'), (SERVE, "log", "max.message.bytes")]
        site.cluster.operator(kafka_wire.set_config, TOPIC_RESOURCE, "mail", "max.message.bytes", "1048588")
        time.sleep(12)


def nothing_stored(site):
    """all senders write to a domain that is not ours"""
    with site.load(pause=0.05, count=5, recipient=f"a@{ODD_DOMAIN}"):
        yield [(SERVE, "metrics", 'ringpost_refusals_total{reason="relay_denied"} [1-9]'), (SERVE, "log", f"refused.*{ODD_DOMAIN}")]
        site.send()


def no_replica_to_spare(site):
    """kill -9 of one broker of three"""
    site.cluster.kill(2)
    yield [(SERVE, "metrics", 'ringpost_topic_in_sync_replicas{topic="mail"} 2')]
    site.cluster.start(2)
    site.cluster.await_in_sync("mail")


def slow_to_store(site):
    """all brokers stand still for 1.5 s, again and again"""
    ended = threading.Event()
    def freeze():
        while not ended.is_set():
            site.cluster.signal(signal.SIGSTOP, *site.cluster.nodes)
            ended.wait(1.5)
            site.cluster.signal(signal.SIGCONT, *site.cluster.nodes)
            ended.wait(0.5)
    thread = threading.Thread(target=freeze)
    with contextlib.ExitStack() as loads:
        for _ in range(4):
            loads.enter_context(site.load())
        thread.start()
        yield [(SERVE, "metrics", "ringpost_produce_to_report_seconds_bucket"), (SERVE, "metrics", "ringpost_kafka_broker_rtt_p99_seconds")]
        ended.set()
        thread.join()
        time.sleep(12)


def in_flight_nearly_full(site):
    """limits.in_flight_messages = 2, and the brokers stand still"""
    site.configure(limits__in_flight_messages=2)
    site.serve.again()
    site.send()
    site.cluster.signal(signal.SIGSTOP, *site.cluster.nodes)
    with contextlib.ExitStack() as loads:
        for _ in range(12):
            loads.enter_context(site.load())
        yield [(SERVE, "metrics", "ringpost_in_flight_messages [12]"), (SERVE, "metrics", 'ringpost_refusals_total{reason="no_room"} [1-9]')]
        site.cluster.signal(signal.SIGCONT, *site.cluster.nodes)
    site.configure()
    site.serve.again()


def connections_near_limit(site):
    """limits.connections = 10, and 15 clients that only connect"""
    site.configure(limits__connections=10)
    site.serve.again()
    clients = []
    ended = threading.Event()
    def connect():
        while not ended.wait(0.2):
            clients.append(socket.create_connection(("127.0.0.1", site.port)))
            if len(clients) > 15:
                clients.pop().close()
    thread = threading.Thread(target=connect)
    thread.start()
    yield [(SERVE, "metrics", "ringpost_connections_open 10"), (SERVE, "metrics", 'ringpost_connections_refused_total{reason="too_many_connections"} [1-9]')]
    ended.set()
    thread.join()
    for client in clients:
        client.close()
    site.configure()
    site.serve.again()


@contextlib.contextmanager
def open_files_limited(site, room):
    """The limit of serve is this many above what it has open."""
    pid = site.serve.process.pid
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (int(site.serve.metric("process_open_fds")) + room, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)


def accept_errors(site):
    """the limit of open files is lowered below what clients need"""
    # From then on Prometheus has its connection.
    until_scraped(site)
    with open_files_limited(site, 4):
        clients = [socket.create_connection(("127.0.0.1", site.port)) for _ in range(20)]
        # Nobody else can ask for metrics now; Prometheus has kept its connection.
        yield [(SERVE, "log", "a connection could not be accepted"), (SERVE, "prometheus", 'ringpost_accept_errors_total{error="too_many_open_files"} > 0')]
    for client in clients:
        client.close()


def open_files_near_limit(site):
    """the limit of open files is lowered to two more than are open"""
    with open_files_limited(site, 2):
        yield [(SERVE, "metrics", "process_open_fds"), (SERVE, "metrics", "process_max_fds")]


def object_store_away(site):
    """the directory of the objects is gone"""
    objects = os.path.join(site.folder, "objects")
    os.rename(objects, objects + ".gone")
    open(objects, "w", encoding="ascii").close()
    with site.load(size=300_000):
        yield [(SERVE, "log", "store of large messages away since"), (SERVE, "readyz", "messages of more than"),
               (SERVE, "metrics", 'ringpost_object_failures_total{failure="[a-z_]+"} [1-9]')]
        os.remove(objects)
        os.rename(objects + ".gone", objects)


def recipients_topic_stale(site):
    """kill -9 of all brokers"""
    site.cluster.kill(*site.cluster.nodes)
    yield [(SERVE, "log", "recipients.topic is away"), (SERVE, "readyz", ".")]
    site.cluster.start(*site.cluster.nodes)
    site.cluster.await_in_sync("mail", "recipients", "mail.checked")


def reload_failed(site):
    """a mistake in the configuration, and SIGHUP"""
    with open(os.path.join(site.folder, "ringpost.toml"), "a", encoding="utf-8") as file:
        file.write("[limits]\nmessage_size = 1\nno_such_option = 1\n")
    site.serve.process.send_signal(signal.SIGHUP)
    yield [(SERVE, "log", "nothing was reloaded, and the current settings stay: .*no_such_option")]
    site.configure()
    site.serve.process.send_signal(signal.SIGHUP)


def certificate_expires_soon(site):
    """the certificate is replaced by one that has five days left"""
    certificate(site.folder, 5)
    yield [(SERVE, "log", "certificates changed and were loaded"), (SERVE, "log", "valid until .* which is in . days")]
    certificate(site.folder, 90)


def certificate_expired(site):
    """the certificate is replaced by one that expired yesterday"""
    certificate(site.folder, -1)
    yield [(SERVE, "log", "expired on")]
    certificate(site.folder, 90)


def tls_files_unusable(site):
    """the file of the certificate is cut off"""
    path = os.path.join(site.folder, "mx.pem")
    with open(path, "r+", encoding="ascii") as file:
        file.truncate(100)
    yield [(SERVE, "log", "keeping the current certificates")]
    certificate(site.folder, 90)


def tls_handshakes_fail(site):
    """clients speak no TLS after STARTTLS"""
    ended = threading.Event()
    def garble():
        while not ended.wait(0.1):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", site.port), 10) as client, client.makefile("rwb") as stream:
                stream.readline()
                stream.write(b"EHLO x\r\n")
                stream.flush()
                while stream.readline()[3:4] == b"-":
                    pass
                stream.write(b"STARTTLS\r\n")
                stream.flush()
                stream.readline()
                stream.write(b"this is no handshake\r\n")
                stream.flush()
                stream.read(1)
    thread = threading.Thread(target=garble)
    thread.start()
    yield [(SERVE, "log", 'refused.*reason="?tls_handshake_failed')]
    ended.set()
    thread.join()
    with site.load(tls=True):
        time.sleep(12)


def log_lines_dropped(site):
    """nobody reads standard error, under a load that is not stored"""
    reading, writing = os.pipe()
    site.configure(kafka__brokers="discard", kafka__require_in_sync=1, kafka__large_topic=None, recipients__topic=None, objects__url=None, objects__above=None)
    site.serve.again(stderr=writing)
    os.close(writing)
    ended = threading.Event()
    recipients = [f"{'r' * 60}{number}@{DOMAIN}" for number in range(5)]
    threads = [threading.Thread(target=blast, args=(site, ended, recipients, 0)) for _ in range(2)]
    for thread in threads:
        thread.start()
    yield [(SERVE, "metrics", "ringpost_log_lines_dropped_total [1-9]")]
    ended.set()
    for thread in threads:
        thread.join()
    site.serve.stop(signal.SIGKILL)
    os.close(reading)
    site.configure()
    site.serve.start()


def blast(site, ended, recipients, pause):
    """Small mails with a long sender, twenty at once, with a pause between these."""
    mail = f"MAIL FROM:<{'s' * 60}@{'d' * 60}.example>\r\n" + "".join(f"RCPT TO:<{recipient}>\r\n" for recipient in recipients)
    mails = (mail + "BDAT 14 LAST\r\nSubject: x\r\n\r\n").encode() * 20
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", site.port), 30) as client:
        client.sendall(b"EHLO client.example\r\n")
        while not ended.wait(pause):
            client.sendall(mails)
            client.recv(1 << 20)


def fell_back_to_epoll(site):
    """io_uring served; after a restart epoll does"""
    query = f'ringpost_io_info{{io="io_uring", instance="{site.serve.admin}"}} == 1'
    if site.serve.metric('ringpost_io_info{io="io_uring"}') != 1:
        site.serve.again(environment={"RINGPOST_SERVER_IO": "io_uring"})
    until(lambda: site.prometheus.query(query), "a scrape with io_uring")
    site.serve.again(environment={"RINGPOST_SERVER_IO": "epoll"})
    yield [(SERVE, "metrics", 'ringpost_io_info{io="epoll"} 1')]
    site.serve.again(environment={"RINGPOST_SERVER_IO": "io_uring"})


def pipeline_brokers_away(site):
    """kill -9 of all brokers"""
    site.cluster.kill(*site.cluster.nodes)
    yield [(FORWARD, "readyz", "broker"), (AUTHENTICATE, "readyz", "broker")]
    site.cluster.start(*site.cluster.nodes)
    site.cluster.await_in_sync("mail", "mail.checked")


def pipeline_stands_still(site):
    """the receiver answers every recipient with 451"""
    site.receiver.code = 451
    site.send(count=5)
    yield [(FORWARD, "log", "later.*451"), (FORWARD, "metrics", "ringpost_pipeline_records_held [1-9]")]
    site.receiver.code = 250


def lag_grows(site):
    """forward has --rate 1, and 200 mails a second come"""
    site.forward.again("--rate", "1")
    ended = threading.Event()
    thread = threading.Thread(target=blast, args=(site, ended, [RECIPIENT], 0.1))
    thread.start()
    yield [(FORWARD, "metrics", "ringpost_forward_attempt_seconds_bucket"), (FORWARD, "metrics", "ringpost_pipeline_lag_records [1-9]")]
    ended.set()
    thread.join()
    site.forward.again()


def partitions_wait(site):
    """--window 5, and the receiver answers with 451"""
    site.receiver.code = 451
    site.forward.again("--window", "5", "--longest-pause", "2s")
    site.send(count=80)
    yield [(FORWARD, "log", "later.*451")]
    site.receiver.code = 250


def forward_receiver_away(site):
    """the receiver is stopped"""
    site.forward.again()
    site.receiver.close()
    site.send(count=3)
    yield [(FORWARD, "log", "the receiver cannot be reached"), (FORWARD, "readyz", "refused|reached")]
    site.receiver.open()


def forward_retries_near_held(site):
    """the receiver answers 900 mails with 451, and they wait up to a minute"""
    site.receiver.code = 451
    site.forward.again("--longest-pause", "60s")
    for _ in range(18):
        site.send(count=50)
    yield [(FORWARD, "log", "later.*451"), (FORWARD, "metrics", 'ringpost_forward_attempts_total{answer="later"} [1-9]')]
    site.receiver.code = 250
    site.forward.again()


def forward_dead_letters(site):
    """the receiver refuses recipients with 550"""
    site.receiver.code = 550
    site.send(count=3)
    yield [(FORWARD, "log", "refused.*550"), (FORWARD, "metrics", "ringpost_forward_dead_letters_total [1-9]")]
    site.receiver.code = 250


def authenticate_resolver_down(site):
    """the DNS resolver answers nothing"""
    site.resolver.mode = "silent"
    site.send(count=3)
    yield [(AUTHENTICATE, "readyz", "resolver"), (AUTHENTICATE, "log", "resolver")]
    site.resolver.mode = "knows"


def authenticate_temperrors(site):
    """the DNS resolver answers SERVFAIL for all names but the root"""
    site.resolver.mode = "broken"
    with site.load(pause=0.1):
        yield [(AUTHENTICATE, "metrics", "ringpost_authenticate_dns_failures_total [1-9]"),
               (AUTHENTICATE, "metrics", "ringpost_authenticate_dns_broken_names_total [1-9]")]
        site.resolver.mode = "knows"
        time.sleep(12)


def of_alert(name):
    """The state of an alert: RingpostStorageAway is `storage_away`."""
    words = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name.removeprefix("Ringpost"))
    return globals().get(words.removeprefix("_"))
