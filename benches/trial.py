"""A ringpost under constant load at a cluster, what is noted while a fault is under way, and the figures of it.

The load is ringpost-loadtest with --verify, or, where its report would not do (several topics, a topic that is replaced), senders.py
and a read back. Beside it senders.py sends a few mails a second, half of them on new connections, for the times of replies, and asks
/readyz.
Must not know: which fault. All times are those of time.monotonic.
"""
import contextlib
import dataclasses
import json
import os
import signal
import statistics
import subprocess
import time

from harness import Failed
from replicated import dying, quiet_port

PROBES, FAST, WELL = 10, 0.1, 2.0
# From then on a refusal has to be fast: fail_fast_after, and a second.
FAST_FROM = 6.0
CONNECTIONS = 200
TIMEOUT = "90s"


@dataclasses.dataclass
class Setting:
    """How a ringpost is configured for a row, beside what all have."""
    # Lines of [kafka], of [kafka.properties], and whole tables at the end; TOPIC is replaced.
    kafka: dict = dataclasses.field(default_factory=dict)
    properties: dict = dataclasses.field(default_factory=dict)
    tables: str = ""


class Ringpost:
    """One ringpost; it can be killed and started again at the same port."""

    def __init__(self, binary, folder, name, brokers, topic, setting, workers=2, patience=5):
        self.binary, self.name, self.topic, self.patience, self.engine = binary, name, topic, patience, ""
        self.config, self.log = os.path.join(folder, f"{name}.toml"), os.path.join(folder, f"{name}.log")
        self.port, self.admin, self.process = quiet_port(), f"127.0.0.1:{quiet_port()}", None
        kafka = {"brokers": brokers, "topic": topic, **setting.kafka}
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(f'[server]\nhostname = "mx.example.net"\nlisten = ["127.0.0.1:{self.port}"]\nworkers = {workers}\n'
                       f'[admin]\nlisten = "{self.admin}"\n[recipients]\ndomains = ["*"]\n[log]\nmessages = false\n[kafka]\n')
            file.writelines(f'{key} = {json.dumps(value)}\n' for key, value in kafka.items())
            file.write("[kafka.properties]\n")
            file.writelines(f'"{key}" = "{value}"\n' for key, value in setting.properties.items())
            file.write(setting.tables.replace("TOPIC", topic))

    def start(self):
        # The memory that rings lock is counted for all processes of a user: others may have it for a while.
        for engine in ["io_uring"] * self.patience + ["epoll"]:
            if self.attempt(engine):
                self.engine = engine
                break
            time.sleep(1)
        else:
            raise Failed(f"ringpost did not start: {''.join(self.lines())[-2000:]}")
        # Lines of its start are not about a fault.
        self.logged = len(self.lines())

    def attempt(self, engine):
        with open(self.log, "a", encoding="utf-8") as log:
            self.process = dying([self.binary, "serve", "--config", self.config], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                 stderr=log, text=True, env={**os.environ, "RINGPOST_SERVER_IO": engine})
        ready = self.process.stdout.readline().startswith("ready ")
        if not ready and "locked memory is limited" not in "".join(self.lines()[-3:]):
            raise Failed(f"ringpost did not start: {''.join(self.lines())[-2000:]}")
        return ready

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(45)
            except subprocess.TimeoutExpired:
                self.kill()

    def lines(self):
        with contextlib.suppress(FileNotFoundError), open(self.log, encoding="utf-8", errors="replace") as log:
            return log.readlines()
        return []


class Fault:
    """When it was under way: a row may have several, one after the other."""

    def __init__(self):
        self.spans = []

    @contextlib.contextmanager
    def under_way(self):
        begin = time.monotonic()
        yield
        self.spans.append((begin, time.monotonic()))

    @property
    def begin(self):
        return self.spans[0][0]


# ---- the load ----

class Loadtest:
    """The load tester, which reads the topic back itself."""

    def __init__(self, binary, folder, server, brokers, rate, size="4KiB", duration="3600s", connections=CONNECTIONS, more=()):
        self.log = os.path.join(folder, f"loadtest-{server.name}.err")
        command = [binary, "--connections", str(connections), "--rate", str(rate), "--size", size, "--duration", duration, "--to",
                   "load@example.net", "--io", "epoll", "--timeout", TIMEOUT, "--verify", "--verify-wait", "60s", "--brokers", brokers, "--topic",
                   server.topic, "--json", "--quiet", *more, f"127.0.0.1:{server.port}"]
        with open(self.log, "w", encoding="utf-8") as log:
            self.process = dying(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True)

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)

    def result(self, seconds=240):
        text, _ = self.process.communicate(timeout=seconds)
        try:
            result = json.loads(text)
        except ValueError:
            with open(self.log, encoding="utf-8") as log:
                raise Failed(f"ringpost-loadtest: {text[-500:]} {log.read()[-500:]}") from None
        if result["start_error"]:
            raise Failed(f"ringpost-loadtest: {result['start_error']}")
        return result

    def kill(self):
        self.process.kill()
        self.process.wait()


def of_loadtest(result):
    """What its report says, in the words of a record."""
    messages, verify, times = result["messages"], result["verify"], result["latency_microseconds"]
    # Where the banner should be, or at MAIL: a connection that is refused, and no mail.
    errors = dict(result["errors"])
    refused = {code: count for code, count in {**result["refused_by_code"], "421": errors.pop("421", 0)}.items() if count}
    return {
        "accepted": messages["accepted"], "refused": refused, "broken": errors,
        "unanswered": messages.get("unanswered", 0), "unsent": messages.get("unsent", 0),
        "longest": max(times[phase]["max"] for phase in ("banner", "ehlo", "envelope", "reply")) / 1e6,
        "told": [f"{one['count']} × {one['code'] or one['error']} {one['enhanced'] or ''} {one['text']}" for one in result["reasons"][:8]],
        "records": verify["records"], "lost": verify["lost"], "complete": verify["complete"], "not_found": verify["not_found"],
        "reader_error": verify["kafka_last_error"], "altered": verify["altered"],
        "lost_ids": verify["lost_message_ids"], "misaddressed": verify["envelope_differs"],
        "duplicates": verify["duplicated"], "duplicates_same_id": verify["duplicated_same_id"],
        "without_reply": verify["stored_without_reply"]}


def of_senders(replies, verdict):
    """The same of senders.py."""
    refused, broken, told = {}, {}, {}
    for reply in replies:
        if reply.code and reply.code != 250:
            refused[str(reply.code)] = refused.get(str(reply.code), 0) + 1
        elif not reply.code:
            broken[reply.step] = broken.get(reply.step, 0) + 1
        if reply.code != 250:
            words = f"{reply.code or 'broken'} {reply.text} at {reply.step}"
            told[words] = told.get(words, 0) + 1
    often = sorted(told.items(), key=lambda one: -one[1])[:8]
    return {
        "accepted": verdict.accepted, "refused": refused, "broken": broken, "unanswered": 0, "unsent": 0,
        "longest": max((reply.seconds for reply in replies), default=0), "told": [f"{count} × {words}" for words, count in often],
        "records": verdict.records, "lost": len(verdict.lost), "complete": True, "altered": verdict.altered, "lost_ids": verdict.lost[:10],
        "misaddressed": verdict.misaddressed, "duplicates": verdict.duplicated + verdict.duplicated_same_id,
        "duplicates_same_id": verdict.duplicated_same_id, "without_reply": verdict.without_reply}


# ---- the times ----

def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


def times(fault, replies):
    """What the few mails beside the load tell; None where there was nothing to tell."""
    stored = sorted(reply.ended for reply in replies if reply.code == 250)
    first, well = [], []
    ends = [begin for begin, _ in fault.spans[1:]] + [float("inf")]
    for (_, end), until in zip(fault.spans, ends):
        first.append(next((moment - end for moment in stored if moment >= end), None))
        # What the next fault found under way is that one's.
        bad = [reply.began - end for reply in replies if end <= reply.began and reply.ended < until and (reply.code != 250 or reply.seconds > WELL)]
        well.append(max(bad, default=0))
    begin, end = fault.begin, fault.spans[-1][1]
    during = [reply for reply in replies if any(begin <= reply.began < end for begin, end in fault.spans) and 400 <= reply.code < 500]
    fast = [reply.began - begin for reply in during if reply.seconds <= FAST]
    later = [reply.seconds for reply in during if reply.began - begin >= FAST_FROM]
    inside = [moment for moment in stored if begin - 1 <= moment <= end + 60]
    return {
        "fault_seconds": statistics.median(end - begin for begin, end in fault.spans), "faults": len(fault.spans),
        "first_250": worst(first), "well": worst(well), "stall": max((b - a for a, b in zip(inside, inside[1:])), default=None),
        "fast_after": min(fast, default=None), "slow_p99": percentile(later, 0.99) if later else None, "slow_count": len(later),
        "longest_probe": max((reply.seconds for reply in replies), default=0)}


def worst(values):
    return None if None in values else max(values)


def readiness(fault, ready):
    """When /readyz first said no after a fault's begin, and for the last time after its end, in seconds from these."""
    begin, end = fault.begin, fault.spans[-1][1]
    no = [moment for moment, status in ready if moment >= begin and status != 200]
    return {"ready_no_after": no[0] - begin if no else None, "ready_yes_after": max(no[-1] - end, 0) if no else None,
            "ready_at_end": ready[-1][1] if ready else 0}
