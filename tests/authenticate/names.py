"""A DNS server with the zone of a test, on UDP and TCP.

The zone is a dictionary: a name has records by their type, each a text in the form of a zone file. `"SERVFAIL"` in place of records is a
name whose servers are broken. Other names do not exist. Needs dnspython.
"""

import socket
import struct
import threading

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

TTL = 300
NEGATIVE_TTL = 5


class Names:
    """A zone, and the threads that serve it."""

    def __init__(self, zone):
        self.zone = {name.lower().rstrip("."): records for name, records in zone.items()}
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", 0))
        self.port = self.udp.getsockname()[1]
        self.tcp = socket.create_server(("127.0.0.1", self.port))
        for serve in (self.serve_udp, self.serve_tcp):
            threading.Thread(target=serve, daemon=True).start()

    def serve_udp(self):
        while True:
            wire, client = self.udp.recvfrom(65535)
            answer = self.answer(wire)
            reply = answer.to_wire(max_size=65535)
            if len(reply) > 1232:
                answer.answer.clear()
                answer.flags |= dns.flags.TC
                reply = answer.to_wire()
            self.udp.sendto(reply, client)

    def serve_tcp(self):
        while True:
            connection, _ = self.tcp.accept()
            threading.Thread(target=self.serve_connection, args=(connection,), daemon=True).start()

    def serve_connection(self, connection):
        with connection, connection.makefile("rb") as stream:
            while length := stream.read(2):
                answer = self.answer(stream.read(struct.unpack("!H", length)[0]))
                reply = answer.to_wire(max_size=65535)
                connection.sendall(struct.pack("!H", len(reply)) + reply)

    def answer(self, wire):
        query = dns.message.from_wire(wire)
        question = query.question[0]
        answer = dns.message.make_response(query, recursion_available=True)
        name = question.name
        for _ in range(8):
            text = name.to_text().rstrip(".").lower()
            records = self.zone.get(text)
            if records == "SERVFAIL":
                answer.set_rcode(dns.rcode.SERVFAIL)
                return answer
            if records is None:
                if not any(known.endswith("." + text) for known in self.zone) and text:
                    answer.set_rcode(dns.rcode.NXDOMAIN)
                break
            kind = dns.rdatatype.to_text(question.rdtype)
            if kind in records:
                answer.answer.append(dns.rrset.from_text(name, TTL, "IN", kind, *records[kind]))
                return answer
            if "CNAME" not in records:
                break
            answer.answer.append(dns.rrset.from_text(name, TTL, "IN", "CNAME", *records["CNAME"]))
            name = dns.name.from_text(records["CNAME"][0])
        if not name.to_text().strip("."):
            # The question for the root, which every resolver answers.
            answer.answer.append(dns.rrset.from_text(".", TTL, "IN", "NS", "a.root."))
        else:
            soa = f"ns.example. host.example. 1 1 1 1 {NEGATIVE_TTL}"
            answer.authority.append(dns.rrset.from_text("example.", NEGATIVE_TTL, "IN", "SOA", soa))
        return answer

