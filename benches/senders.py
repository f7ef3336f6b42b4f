#!/usr/bin/env python3
"""Senders of mail that write down each reply with its time, where the load tester's report has only sums: a few mails a second that look
at a server during a fault (with /readyz), or a load of mails with recipients in several domains.

Open loop: a mail starts when it is due, whatever became of those before it. What is written, a line each, times from CLOCK_MONOTONIC:

    mail NUMBER BEGAN ENDED STEP CODE TEXT     STEP is where the fate was decided; CODE 0: the connection broke or nobody took it
    ready BEGAN ENDED STATUS                   status 0: no answer

A mail's text and recipients follow from the run's name and its number, so that who reads it back can make them again.
Must not know: Kafka, faults. SIGTERM ends the sending; what is under way has a few seconds to end.
"""
import argparse
import asyncio
import base64
import contextlib
import dataclasses
import hashlib
import os
import signal
import subprocess
import sys
import time

SENDER = "faults@ringpost.example"
# Longer than any reply should take: a reply that never comes is code 0 as well.
TIMEOUT = 90
GRACE = 3
READY_EVERY = 0.2
# Mails under way, beyond which the loop is no longer open: this program should not be what is too slow.
MOST = 1_000
# Seconds of mails whose connections wait to be used again; an outage opens many.
KEPT = 0.5


def message(run, number, size):
    """What is sent, without its dots doubled: base64, so no line begins with one."""
    head = f"Message-ID: <{run}.{number}@faults.ringpost.example>\r\nX-Faults: {run} {number}\r\nSubject: {number}\r\n\r\n".encode()
    octets = hashlib.shake_256(f"{run} {number}".encode()).digest(max(size - len(head), 60) * 57 // 78)
    return head + base64.encodebytes(octets).replace(b"\n", b"\r\n")


def recipients(number, domains):
    """Who gets it: of one domain alone the same one; of several, one to all of them, two people in the first."""
    if len(domains) == 1:
        return [f"probe@{domains[0]}"]
    first = number % len(domains)
    chosen = [domains[(first + place) % len(domains)] for place in range(1 + number // len(domains) % len(domains))]
    # A domain is one, however it is written.
    return [f"ann@{chosen[0]}", f"bob@{chosen[0].upper()}", *(f"ann@{domain}" for domain in chosen[1:])]


@dataclasses.dataclass
class Reply:
    """What became of one mail."""
    number: int
    began: float
    ended: float
    step: str
    code: int
    text: str

    @property
    def seconds(self):
        return self.ended - self.began


# ---- the program that sends ----

class Connection:
    """An SMTP session; `code` of a reply that never comes is 0."""

    def __init__(self, port):
        self.port, self.step, self.writer = port, "connect", None

    async def open(self):
        """The reply that refuses the session, or none."""
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        for self.step, command in (("banner", b""), ("ehlo", b"EHLO faults.ringpost.example\r\n")):
            code, text = await self.command(command)
            if code not in (220, 250):
                return code, text
        return None

    async def command(self, line):
        if line:
            self.writer.write(line)
        return await self.reply()

    async def reply(self):
        while True:
            line = await self.reader.readline()
            if not line.endswith(b"\n"):
                raise ConnectionError("closed")
            if line[3:4] != b"-":
                return int(line[:3]), line[4:].decode(errors="replace").strip()

    async def send(self, text, to):
        """The reply that decided, and where: MAIL, RCPT and DATA go out in one write, as PIPELINING allows."""
        lines = [f"MAIL FROM:<{SENDER}>", *(f"RCPT TO:<{one}>" for one in to), "DATA"]
        self.writer.write("".join(line + "\r\n" for line in lines).encode())
        refused = None
        for line in lines:
            self.step = line.split()[0].lower()
            code, words = await self.reply()
            if code not in (250, 354):
                refused = refused or (code, words, self.step)
                if code == 421:
                    break
        if refused:
            self.step = refused[2]
            return refused[:2]
        self.step = "end"
        return await self.command(text + b".\r\n")

    def close(self):
        if self.writer:
            self.writer.close()


class Sending:
    """The open loop."""

    def __init__(self, options, out):
        self.options, self.out, self.idle, self.tasks = options, out, [], set()
        self.most = MOST if options.mails < 0 else MOST // 2

    async def run(self, stop):
        clock, number = time.monotonic, 0
        begin = clock()
        while not stop.is_set() and number != self.options.mails:
            due = begin + number / self.options.rate
            with contextlib.suppress(asyncio.TimeoutError):
                if due > clock():
                    await asyncio.wait_for(stop.wait(), due - clock())
            if stop.is_set():
                break
            if len(self.tasks) >= self.most:
                await asyncio.wait(self.tasks, return_when=asyncio.FIRST_COMPLETED)
            task = asyncio.create_task(self.mail(number, clock()))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)
            number += 1
        if self.tasks:
            await asyncio.wait(self.tasks, timeout=TIMEOUT if number == self.options.mails else GRACE)
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        for connection in self.idle:
            connection.close()

    async def mail(self, number, began):
        reuse = self.options.reuse == "all" or self.options.reuse == "half" and number % 2
        connection = self.idle.pop() if reuse and self.idle else Connection(self.options.port)
        code, text = 0, "no reply"
        try:
            async with asyncio.timeout(TIMEOUT):
                code, text = await self.attempt(connection, number)
        except (OSError, asyncio.TimeoutError, ValueError) as error:
            text = str(error) or type(error).__name__
        finally:
            print("mail", number, f"{began:.6f} {time.monotonic():.6f}", connection.step, code, text, file=self.out)
        if reuse and code not in (0, 421) and len(self.idle) < 1 + KEPT * self.options.rate:
            self.idle.append(connection)
            return
        if code not in (0, 421):
            with contextlib.suppress(OSError, asyncio.TimeoutError, ValueError):
                await asyncio.wait_for(connection.command(b"QUIT\r\n"), GRACE)
        connection.close()

    async def attempt(self, connection, number):
        if not connection.writer:
            refused = await connection.open()
            if refused:
                return refused
        options = self.options
        return await connection.send(message(options.run, number, options.size), recipients(number, options.domains.split(",")))


async def watch_ready(address, out, stop):
    """The admin listener, as a load balancer asks it."""
    host, port = address.rsplit(":", 1)
    while not stop.is_set():
        began, status = time.monotonic(), 0
        with contextlib.suppress(OSError, asyncio.TimeoutError, ValueError, IndexError):
            async with asyncio.timeout(10):
                reader, writer = await asyncio.open_connection(host, int(port))
                writer.write(b"GET /readyz HTTP/1.1\r\nHost: ringpost\r\nConnection: close\r\n\r\n")
                status = int((await reader.readline()).split()[1])
                writer.close()
        print("ready", f"{began:.6f} {time.monotonic():.6f}", status, file=out)
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(stop.wait(), READY_EVERY)


async def main(options):
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    with open(options.output, "w", encoding="utf-8", buffering=1) as out:
        watcher = asyncio.create_task(watch_ready(options.ready, out, stop)) if options.ready else None
        await Sending(options, out).run(stop)
        if watcher:
            stop.set()
            await watcher


# ---- for the scripts that start it ----

class Senders:
    """That program under way."""

    def __init__(self, folder, run, port, rate, *, size=1024, domains=("example.net",), mails=-1, reuse="none", ready=""):
        self.run, self.size, self.domains, self.path = run, size, list(domains), os.path.join(folder, f"senders-{run}")
        command = [sys.executable, os.path.abspath(__file__), "--run", run, "--port", str(port), "--rate", str(rate), "--size", str(size),
                   "--domains", ",".join(domains), "--mails", str(mails), "--output", self.path, "--ready", ready, "--reuse", reuse]
        self.process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *command], start_new_session=True, stdin=subprocess.DEVNULL)

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(GRACE + 15)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()

    def replies(self):
        """What is known by now, in the order of the replies."""
        return [Reply(int(number), float(began), float(ended), step, int(code), text)
                for number, began, ended, step, code, text in self.lines("mail", 6)]

    def ready(self):
        """[(when it was asked, status)]"""
        return [(float(began), int(status)) for began, _, status in self.lines("ready", 3)]

    def lines(self, kind, words):
        with contextlib.suppress(FileNotFoundError), open(self.path, encoding="utf-8") as file:
            for line in file:
                if line.startswith(kind + " ") and line.endswith("\n"):
                    yield (line.rstrip("\n").split(" ", words)[1:] + [""])[:words]

    def message(self, number):
        return message(self.run, number, self.size)

    def recipients(self, number):
        return recipients(number, self.domains)


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--rate", type=float, default=10)
    parser.add_argument("--mails", type=int, default=-1, help="then it ends; -1: until SIGTERM")
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--domains", default="example.net", help="by comma")
    parser.add_argument("--reuse", choices=("all", "half", "none"), default="none", help="of connections")
    parser.add_argument("--ready", default="", metavar="ADDR", help="the admin listener")
    parser.add_argument("--output", required=True)
    return parser.parse_args()


if __name__ == "__main__":
    asyncio.run(main(parse()))
