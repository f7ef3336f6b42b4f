"""Writes the mails of the topic to Parquet files: LAKE/day=2026-11-28/PARTITION-OFFSET.parquet."""

import email
import email.policy
import json
import os
import signal
import sys
import time
from datetime import datetime, timezone
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pyarrow as pa
import pyarrow.parquet as pq
from confluent_kafka import Consumer, KafkaException, TopicPartition

TOPIC = os.environ.get("TOPIC", "mail")
LAKE = Path(os.environ.get("LAKE", "lake"))
MAILS = int(os.environ.get("MAILS", "10000"))  # A file is written when a partition has as many,
MIB = int(os.environ.get("MIB", "64"))  # as much,
SECONDS = float(os.environ.get("EVERY", "60"))  # or for as long.

SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("time", pa.timestamp("ms", tz="UTC")),
        ("sender", pa.string()),
        ("recipients", pa.list_(pa.string())),
        ("client", pa.string()),
        ("helo", pa.string()),
        ("tls", pa.string()),
        ("size", pa.int64()),
        ("subject", pa.string()),
        ("attachments", pa.list_(pa.struct([("name", pa.string()), ("type", pa.string()), ("size", pa.int64())]))),
        ("message", pa.binary()),
        ("dataref", pa.string()),
        ("partition", pa.int32()),
        ("offset", pa.int64()),
    ]
)


def message_of(attributes, value):
    """The whole message: the record's value, or the object that it refers to."""
    url = attributes.get("ce_dataref")
    if url is None:
        return value
    try:
        if urlsplit(url).scheme == "file":
            with open(unquote(urlsplit(url).path), "rb") as file:
                return file.read()
    except FileNotFoundError:  # Any other error ends the program, which reads the record again when it is started again.
        pass
    print(f"{attributes['ce_id']}: only the header section is here, the message is at {url}", file=sys.stderr)
    return value


def row(record):
    """The row of a record; none for one that is no mail."""
    place = f"{record.topic()}:{record.partition()}:{record.offset()}"
    attributes = {name: value.decode("utf-8", "replace") for name, value in record.headers() or []}
    if record.value() is None or not attributes.get("ce_type", "").startswith("io.ringpost.mail."):
        print(f"{place}: passed over: not a mail of ringpost", file=sys.stderr)
        return None
    message = message_of(attributes, record.value())
    try:
        return {**row_of(attributes, message), "partition": record.partition(), "offset": record.offset()}
    except (KeyError, ValueError) as error:  # Another program wrote it.
        print(f"{place}: cannot be read: {error!r}", file=sys.stderr)
        return None


def row_of(attributes, message):
    """The row of a mail, but for its place."""
    try:  # What a stranger wrote may be anything; the row is written all the same, with the message as it is.
        subject, attachments = parsed(message)
    except Exception as error:
        print(f"{attributes['ce_id']}: cannot be parsed: {error!r}", file=sys.stderr)
        subject, attachments = None, None
    return {
        "id": attributes["ce_id"],
        "time": datetime.fromisoformat(attributes["ce_time"].replace("Z", "+00:00")),
        "sender": attributes["ce_smtpfrom"],
        "recipients": json.loads(attributes["ce_smtpto"]),
        "client": attributes.get("ce_smtpclient"),
        "helo": attributes.get("ce_smtphelo"),
        "tls": attributes.get("ce_smtptls"),
        "size": int(attributes["ce_smtpsize"]),
        "subject": subject,
        "attachments": attachments,
        "message": message,
        "dataref": attributes.get("ce_dataref"),
    }


def parsed(message):
    """Subject and attachments."""
    mail = email.message_from_bytes(message, policy=email.policy.default)
    # A mail with SMTPUTF8 has UTF-8 in its header section, which the parser of bytes does not read.
    head = message.partition(b"\r\n\r\n")[0].decode("utf-8", "replace")
    subject = email.message_from_string(head, policy=email.policy.default)["subject"]
    attachments = [
        {"name": part.get_filename(), "type": part.get_content_type(), "size": len(part.get_payload(decode=True) or b"")}
        for part in mail.walk()
        if part.is_attachment()
    ]
    return None if subject is None else str(subject), attachments


class Batch:
    """What one partition will have in its next file."""

    def __init__(self, record):
        self.first = record.offset()
        day = datetime.fromtimestamp(record.timestamp()[1] / 1000, timezone.utc).date()
        # The same first record gives the same name: a file whose offset was not committed is written again, over itself.
        self.path = LAKE / f"day={day}" / f"{record.partition():05}-{self.first:020}.parquet"
        self.since = time.monotonic()
        self.rows, self.octets = [], 0

    def add(self, record):
        self.next = record.offset() + 1
        found = row(record)
        if found is not None:
            self.rows.append(found)
            self.octets += len(found["message"])

    def is_full(self):
        return len(self.rows) >= MAILS or self.octets >= MIB << 20 or time.monotonic() - self.since >= SECONDS

    def write(self):
        """Returns when the file is on the disk under its name, whole."""
        if not self.rows:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self.path.with_suffix(".part")  # A name that no reader of Parquet files looks for.
        with open(unfinished, "wb") as file:
            pq.write_table(pa.Table.from_pylist(self.rows, SCHEMA), file, compression="zstd")
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, self.path)
        for folder in (self.path.parent, LAKE):
            handle = os.open(folder, os.O_RDONLY)
            os.fsync(handle)
            os.close(handle)
        print(json.dumps({"file": str(self.path), "mails": len(self.rows)}), flush=True)


def main():
    batches = {}

    def write(consumer, partitions):
        """Writes what these partitions have, and commits it: first the file, then the offset."""
        for partition in partitions:
            batch = batches.pop(partition, None)
            if batch is not None:
                batch.write()
                consumer.commit(offsets=[TopicPartition(TOPIC, partition, batch.next)], asynchronous=False)

    consumer = Consumer(
        {
            "bootstrap.servers": os.environ.get("BROKERS", "127.0.0.1:9092"),
            "group.id": os.environ.get("GROUP", "example-parquet-python"),
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    consumer.subscribe(
        [TOPIC],
        on_revoke=lambda consumer, revoked: write(consumer, [each.partition for each in revoked]),
        on_lost=lambda _, lost: [batches.pop(each.partition, None) for each in lost],
    )
    stop = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.append(True))
    while not stop:
        record = consumer.poll(0.5)
        if record is not None and record.error():
            # Most pass by themselves, as when a broker is away.
            print(record.error(), file=sys.stderr)
            if record.error().fatal():
                raise KafkaException(record.error())
        elif record is not None:
            batches.setdefault(record.partition(), Batch(record)).add(record)
        write(consumer, [partition for partition, batch in batches.items() if batch.is_full()])
    consumer.close()  # Revokes the partitions, which writes what there is.


if __name__ == "__main__":
    main()
