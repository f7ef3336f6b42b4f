"""Prints sender, recipients, subject and attachments of each mail in the topic, one line of JSON a mail."""

import email
import email.policy
import json
import os
import signal
import sys
from urllib.parse import unquote, urlsplit

from confluent_kafka import Consumer, KafkaException

MAIL = "io.ringpost.mail."


def message_of(attributes, value):
    """The whole message: the record's value, or the object that it refers to."""
    url = attributes.get("ce_dataref")
    if url is None:
        return value
    if urlsplit(url).scheme == "file":
        with open(unquote(urlsplit(url).path), "rb") as file:
            return file.read()
    print(f"{attributes['ce_id']}: only the header section is here, the message is at {url}", file=sys.stderr)
    return value


def facts(attributes, message):
    """What is printed of a mail."""
    mail = email.message_from_bytes(message, policy=email.policy.default)
    # A mail with SMTPUTF8 has UTF-8 in its header section, which the parser of bytes does not read.
    head = message.partition(b"\r\n\r\n")[0].decode("utf-8", "replace")
    return {
        "sender": attributes["ce_smtpfrom"],  # empty for a bounce
        "recipients": json.loads(attributes["ce_smtpto"]),
        "subject": email.message_from_string(head, policy=email.policy.default)["subject"],
        "attachments": [
            {
                "name": part.get_filename(),
                "type": part.get_content_type(),
                "size": len(part.get_payload(decode=True) or b""),
            }
            for part in mail.walk()
            if part.is_attachment()
        ],
    }


def handle(record):
    """Prints a record that is a mail; says on standard error what is none, or cannot be read."""
    place = f"{record.topic()}:{record.partition()}:{record.offset()}"
    # Attributes that are not used here, and ones of a later version, are simply not looked at.
    attributes = dict(record.headers() or [])
    if record.value() is None or not attributes.get("ce_type", b"").startswith(MAIL.encode()):
        print(f"{place}: passed over: not a mail of ringpost", file=sys.stderr)
        return
    try:
        attributes = {name: value.decode() for name, value in attributes.items()}
        line = json.dumps(facts(attributes, message_of(attributes, record.value())), ensure_ascii=False)
    except Exception as error:  # The content is a stranger's: one bad mail must not stop all others.
        print(f"{place}: cannot be read: {error!r}", file=sys.stderr)
        return
    print(line, flush=True)


def main():
    consumer = Consumer(
        {
            "bootstrap.servers": os.environ.get("BROKERS", "127.0.0.1:9092"),
            "group.id": os.environ.get("GROUP", "example-python"),
            "auto.offset.reset": "earliest",
            # At least once: a record's offset may be committed when it has been handled, not when it has been read.
            "enable.auto.offset.store": False,
        }
    )
    consumer.subscribe([os.environ.get("TOPIC", "mail")])
    stop = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.append(True))
    while not stop:
        record = consumer.poll(0.5)
        if record is None:
            continue
        if record.error():
            # Most pass by themselves, as when a broker is away.
            print(record.error(), file=sys.stderr)
            if record.error().fatal():
                raise KafkaException(record.error())
            continue
        handle(record)
        consumer.store_offsets(record)
    consumer.close()  # Commits what is stored and leaves the group.


if __name__ == "__main__":
    main()
