#!/usr/bin/env python3
"""A TCP proxy in front of brokers that plays a network: it goes silent, answers late, or breaks connections.

    proxy.py TO[,TO...]      prints the address where it listens for each of them, by comma

Commands come by line on standard input, each with the numbers of the brokers that it is for ("hold 0 2"); its end ends the proxy:

    hold     nothing passes, in either direction, and new connections are taken and stay silent, as behind a cable that was cut;
             what is under way is delivered after `pass`, as TCP does it
    pass     as it was
    late S   what the broker sends arrives S seconds later
    drop     all connections end, with a reset

BUGS: a connection attempt is always answered by this side's kernel, so "no answer to a SYN" is not played.
"""
import asyncio
import struct
import socket
import sys

CHUNK = 1 << 16
# What waits in one direction of one connection, before its sender has to wait.
QUEUE = 1_000
RESET = struct.pack("ii", 1, 0)


class Broker:
    """What is in force for the connections of one broker."""

    def __init__(self, to):
        self.host, port = to.rsplit(":", 1)
        self.port = int(port)
        self.late = 0.0
        self.open = asyncio.Event()
        self.open.set()
        self.writers = set()

    async def serve(self, reader, writer):
        self.writers.add(writer)
        far = None
        try:
            await self.open.wait()
            far_reader, far = await asyncio.open_connection(self.host, self.port)
            self.writers.add(far)
            ways = [asyncio.create_task(self.carry(reader, far, False)), asyncio.create_task(self.carry(far_reader, writer, True))]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
        except OSError:
            pass
        finally:
            for one in (writer, far):
                if one:
                    self.writers.discard(one)
                    one.close()

    async def carry(self, reader, writer, answers):
        """One direction: what was read waits in a queue until it is due."""
        queue = asyncio.Queue(QUEUE)
        clock = asyncio.get_running_loop().time

        async def write():
            while True:
                due, data = await queue.get()
                if due > clock():
                    await asyncio.sleep(due - clock())
                await self.open.wait()
                if not data:
                    return
                writer.write(data)
                await writer.drain()

        async def read():
            while True:
                data = await reader.read(CHUNK)
                await queue.put((clock() + (self.late if answers else 0), data))
                if not data:
                    return
        tasks = [asyncio.create_task(read()), asyncio.create_task(write())]
        try:
            # The reader ends first; what it read is still to be written.
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()

    def drop(self):
        for writer in list(self.writers):
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            writer.transport.abort()


def obey(line, brokers):
    command, *words = line.split()
    argument = float(words.pop(0)) if command == "late" else 0.0
    for broker in [brokers[int(word)] for word in words]:
        if command == "hold":
            broker.open.clear()
        elif command == "pass":
            broker.late = 0.0
            broker.open.set()
        elif command == "late":
            broker.late = argument
        elif command == "drop":
            broker.drop()


async def main(to):
    brokers = [Broker(one) for one in to]
    servers = [await asyncio.start_server(broker.serve, "127.0.0.1", 0, limit=CHUNK) for broker in brokers]
    print(",".join(f"127.0.0.1:{server.sockets[0].getsockname()[1]}" for server in servers), flush=True)
    loop = asyncio.get_running_loop()
    commands = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    while line := (await commands.readline()).decode().strip():
        obey(line, brokers)
        print(line, flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1].split(",")))
