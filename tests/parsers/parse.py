"""Reads mails with Python's email: parse.py compat32|default FILE..., one line of JSON for each."""

import base64
import email
import email.policy
import json
import sys
from email.utils import parsedate_to_datetime


def header(message, name):
    # compat32 keeps the ends of folded lines, and makes U+FFFD of UTF-8: that is read as those do who take SMTPUTF8.
    for found, value in message.raw_items():
        if found.lower() == name:
            value = str(value).replace("\r\n", "")
            return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return None


def read(octets, policy):
    message = email.message_from_bytes(octets, policy=policy)
    received = message.get_all("received", [])
    date = str(received[0]).rpartition(";")[2].strip() if received else None
    body = message.get_payload(decode=True) or b""
    return {
        "received": len(received),
        "date": date and int(parsedate_to_datetime(date).timestamp()),
        "subject": header(message, "subject"),
        "from": header(message, "from"),
        "body": base64.b64encode(body[:40]).decode(),
    }


policy = getattr(email.policy, sys.argv[1])
for path in sys.argv[2:]:
    with open(path, "rb") as file:
        print(json.dumps(read(file.read(), policy)))
