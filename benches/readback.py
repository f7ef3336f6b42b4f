"""Reads topics back with `ringpost consume` and compares them with what senders.py got a 250 for.

A mail may be several records, one for each group of its recipients; which groups there should be is the caller's to say. It must be there
byte for byte, behind the fields that the server put in front, and no record may name a recipient of another group.
Must not know: faults, SMTP.
"""
import base64
import collections
import dataclasses
import json
import os
import re
import subprocess

from harness import Failed
from senders import SENDER

MARK = re.compile(rb"^X-Faults: (\S+) (\d+)\r\n", re.MULTILINE)
# A reader that comes right after a failover may see a partition end early.
READS = 5


@dataclasses.dataclass
class Verdict:
    """What became of the mails."""
    accepted: int = 0
    records: int = 0
    lost: list = dataclasses.field(default_factory=list)
    altered: int = 0
    # Records with recipients that no group of the mail has.
    misaddressed: int = 0
    # Records beyond the first of a group: of the same id, by a produce retry; of another.
    duplicated_same_id: int = 0
    duplicated: int = 0
    # Records of mails whose 250 nobody read.
    without_reply: int = 0


def consume(binary, folder, brokers, topic, name="read", extra=()):
    """The path of the topic as JSON lines, read to its end, until two reads have the same number of records."""
    path, before = os.path.join(folder, f"{name}-{topic}.json"), -1
    for _ in range(READS):
        done = subprocess.run([binary, "consume", "--brokers", brokers, "--topic", topic, "--from", "beginning", "--until-end", "--format",
                               "json", "--output", path, *extra], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, text=True, timeout=600)
        if done.returncode:
            raise Failed(f"ringpost consume: {done.stderr[-500:]}")
        with open(path, "rb") as file:
            count = sum(1 for _ in file)
        if count == before:
            return path
        before = count
    raise Failed(f"{topic} has another number of records with each of {READS} reads")


def records(path):
    """(run, number, topic, recipients, id, message) of each record of senders.py."""
    needle = SENDER.encode()
    with open(path, "rb") as file:
        for line in file:
            if needle not in line or not line.endswith(b"\n"):
                continue
            found = json.loads(line)
            text = base64.b64decode(found["message_base64"])
            mark = MARK.search(text[:4096])
            if mark:
                yield mark[1].decode(), int(mark[2]), found["topic"], found["rcpt_to"], identity(found), text


def identity(found):
    return found.get("id") or found["headers"].get("ce_id", "")


def compare(senders, replies, paths, groups):
    """`groups` gives for a mail's recipients [(topic, [recipients])]: what its records should be."""
    verdict, seen = Verdict(), collections.defaultdict(list)
    accepted = {reply.number for reply in replies if reply.code == 250}
    verdict.accepted = len(accepted)
    for path in paths:
        for run, number, topic, to, ident, text in records(path):
            if run != senders.run:
                continue
            verdict.records += 1
            part = topic, tuple(to)
            expected = [(topic, tuple(to)) for topic, to in groups(senders.recipients(number))]
            verdict.misaddressed += part not in expected
            verdict.altered += not text.endswith(senders.message(number))
            if ident in seen[number, part]:
                verdict.duplicated_same_id += 1
            elif seen[number, part]:
                verdict.duplicated += 1
            seen[number, part].append(ident)
    for number in sorted(accepted):
        parts = [(topic, tuple(to)) for topic, to in groups(senders.recipients(number))]
        if not all(seen.get((number, part)) for part in parts):
            verdict.lost.append(number)
    verdict.without_reply = len({number for number, _ in seen} - accepted)
    return verdict
