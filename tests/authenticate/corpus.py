"""Signed and forged mails, and what other programs say of them: pyspf of SPF, dkimpy of DKIM, authheaders of DMARC.

`corpus.py` makes keys, a zone and the mails, serves the zone, asks the other programs, each over that server, and prints one line of
JSON: the port and the mails with their verdicts. Then it serves until its standard input ends, so that ringpost can be asked the same.
Needs those three packages, PyNaCl and openssl.
"""

import base64
import json
import re
import socket
import subprocess
import sys
import time

import authheaders
import authheaders.dmarc_lookup
import dkim
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import nacl.signing
import spf

from names import Names

RELAXED, SIMPLE = b"relaxed", b"simple"
CLIENT = "192.0.2.10"
OTHER = "198.51.100.7"


def quoted(text):
    """A TXT record of strings of 255 bytes."""
    parts = [text[at : at + 255] for at in range(0, len(text), 255)] or [""]
    return " ".join('"' + part.replace("\\", "\\\\").replace('"', '\\"') + '"' for part in parts)


def rsa(bits):
    """A private key in PEM, and p= of its public key."""
    key = subprocess.run(["openssl", "genrsa", "-traditional", str(bits)], capture_output=True, check=True).stdout
    public = subprocess.run(
        ["openssl", "rsa", "-pubout", "-outform", "DER"], input=key, capture_output=True, check=True
    ).stdout
    return key, base64.b64encode(public).decode()


class Keys:
    """The keys of the corpus, and the records that publish them."""

    def __init__(self):
        self.rsa, self.rsa_public = rsa(2048)
        self.large, self.large_public = rsa(4096)
        self.small, self.small_public = rsa(512)
        self.other, _ = rsa(1024)
        seed = nacl.signing.SigningKey.generate()
        self.ed = base64.b64encode(seed.encode())
        self.ed_public = base64.b64encode(seed.verify_key.encode()).decode()

    def zone(self, domain):
        """Selectors of a domain."""
        rsa_key = f"v=DKIM1; k=rsa; p={self.rsa_public}"
        keys = {
            "rsa": rsa_key,
            "plain": f"p={self.rsa_public}",
            "large": f"v=DKIM1; p={self.large_public}",
            "small": f"v=DKIM1; p={self.small_public}",
            "ed": f"v=DKIM1; k=ed25519; p={self.ed_public}",
            "revoked": "v=DKIM1; p=",
            "strict": f"v=DKIM1; t=s; p={self.rsa_public}",
            "testing": f"v=DKIM1; t=y; p={self.rsa_public}",
            "garbage": "this is no key",
        }
        zone = {f"{selector}._domainkey.{domain}": {"TXT": [quoted(text)]} for selector, text in keys.items()}
        zone[f"alias._domainkey.{domain}"] = {"CNAME": [f"rsa._domainkey.{domain}."]}
        zone[f"broken._domainkey.{domain}"] = "SERVFAIL"
        return zone


def spf_zone():
    """Domains by what their SPF says, and what that needs."""
    records = {
        "good.example": "v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/32 -all",
        "sub.good.example": "v=spf1 ip4:192.0.2.0/24 -all",
        "soft.example": "v=spf1 a mx ~all",
        "neutral.example": "v=spf1 ?all",
        "include.example": "v=spf1 include:good.example ?include:soft.example -all",
        "nested.example": "v=spf1 include:include.example ~all",
        "redirect.example": "v=spf1 redirect=good.example",
        "exists.example": "v=spf1 exists:%{ir}.%{v}.%{l1r-}.x.exists.example -all",
        "macro.example": "v=spf1 a:%{d2}.names.example include:%{h}.spf.example -all",
        "ptr.example": "v=spf1 ptr -all",
        "syntax.example": "v=spf1 ip4:192.0.2.0/24 foo:bar -all",
        "prefix.example": "v=spf1 ip4:192.0.2.0/33 -all",
        "loop.example": "v=spf1 include:loop.example -all",
        "many.example": "v=spf1 " + " ".join(f"a:m{at}.names.example" for at in range(11)) + " +all",
        "voids.example": "v=spf1 a:v1.none.example a:v2.none.example a:v3.none.example +all",
        "temp.example": "v=spf1 a:broken.example -all",
        "missing.example": "v=spf1 include:none.example -all",
        "late.example": "v=spf1 ip4:192.0.2.0/24 include:broken.example -all",
    }
    zone = {name: {"TXT": [quoted(text)]} for name, text in records.items()}
    zone["soft.example"].update({"A": ["192.0.2.10"], "MX": ["10 mail.soft.example.", "20 mail2.soft.example."]})
    zone["two.example"] = {"TXT": [quoted("v=spf1 -all"), quoted("v=spf1 +all"), quoted("other")]}
    zone["nospf.example"] = {"A": ["192.0.2.10"], "TXT": [quoted("v=spf10 all"), quoted("some=thing")]}
    zone["broken.example"] = "SERVFAIL"
    zone["mail.soft.example"] = {"A": ["192.0.2.20"]}
    zone["mail2.soft.example"] = {"A": ["192.0.2.21"], "AAAA": ["2001:db8:1::21"]}
    zone["10.2.0.192.in-addr.a.x.exists.example"] = {"A": ["127.0.0.2"]}
    zone["macro.example.names.example"] = {"A": ["203.0.113.1"]}
    zone["mail.good.example.spf.example"] = {"TXT": [quoted("v=spf1 ip4:192.0.2.10 -all")]}
    zone["mail.good.example"] = {"TXT": [quoted("v=spf1 a -all")], "A": [CLIENT]}
    zone["mail.ptr.example"] = {"A": ["192.0.2.30"]}
    zone["30.2.0.192.in-addr.arpa"] = {"PTR": ["liar.example.", "mail.ptr.example."]}
    for at in range(11):
        zone[f"m{at}.names.example"] = {"A": ["203.0.113.9"]}
    return zone


def policies():
    """DMARC records."""
    records = {
        "good.example": "v=DMARC1; p=reject; sp=quarantine; rua=mailto:a@good.example",
        "soft.example": "v=DMARC1; p=quarantine",
        "strict.example": "v=DMARC1; p=reject; aspf=s; adkim=s",
        "neutral.example": "v=DMARC1; p=none",
        "include.example": "v=DMARC1;p=none",
    }
    zone = {f"_dmarc.{name}": {"TXT": [quoted(text)]} for name, text in records.items()}
    zone["_dmarc.two.example"] = {"TXT": [quoted("v=DMARC1; p=none"), quoted("v=DMARC1; p=reject")]}
    zone["_dmarc.ptr.example"] = {"TXT": [quoted("v=spf1 -all"), quoted("v=DMARC1; p=none")]}
    return zone


def message(author="Alice <a@good.example>", subject="A subject", body="Hello,\r\n\r\nthis is the text.\r\n", more=""):
    """A message to be signed."""
    fields = f"From: {author}\r\nTo: Bob <b@example.net>\r\nSubject: {subject}\r\n"
    fields += "Date: Sat, 28 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@good.example>\r\nMIME-Version: 1.0\r\n"
    return (fields + more + "\r\n" + body).encode()


class Corpus:
    """The mails."""

    def __init__(self, keys):
        self.keys = keys
        self.mails = []

    def add(self, name, text, sender="a@good.example", helo="mail.good.example", client=CLIENT, explained=None):
        self.mails.append(
            {
                "name": name,
                "client": client,
                "helo": helo,
                "sender": sender,
                "message": base64.b64encode(text).decode(),
                "explained": explained or {},
            }
        )

    def sign(self, text, selector="rsa", domain="good.example", key=None, form=(RELAXED, RELAXED), **more):
        """A message with a signature on top."""
        algorithm = b"ed25519-sha256" if selector == "ed" else b"rsa-sha256"
        key = key or {"large": self.keys.large, "ed": self.keys.ed}.get(selector, self.keys.rsa)
        more.setdefault("include_headers", [b"from", b"to", b"subject", b"date", b"message-id"])
        signature = dkim.sign(
            text, selector.encode(), domain.encode(), key, canonicalize=form, signature_algorithm=algorithm, **more
        )
        return signature + text

    def signed(self):
        """Signatures that hold, in every form."""
        for form in ((RELAXED, RELAXED), (RELAXED, SIMPLE), (SIMPLE, RELAXED), (SIMPLE, SIMPLE)):
            name = "/".join(part.decode() for part in form)
            self.add(f"rsa {name}", self.sign(message(), form=form))
            self.add(f"ed25519 {name}", self.sign(message(), "ed", form=form))
        blanks = message(subject="Many   blanks \t here", body="a  b \t c  \r\n \t\r\nd\r\n\r\n\r\n")
        self.add("blanks relaxed", self.sign(blanks))
        self.add("blanks simple", self.sign(blanks, form=(SIMPLE, SIMPLE)))
        self.add("no body relaxed", self.sign(message(body="")))
        self.add("no body simple", self.sign(message(body=""), form=(SIMPLE, SIMPLE)))
        self.add("only empty lines", self.sign(message(body="\r\n\r\n\r\n"), form=(SIMPLE, SIMPLE)))
        self.add("no line end at the end", self.sign(message(body="no end")))
        folded = message(subject="a\r\n folded\r\n\tsubject", more="X-Long: " + "x" * 900 + "\r\n")
        self.add("folded", self.sign(folded, form=(SIMPLE, RELAXED)))
        self.add("large key", self.sign(message(), "large"))
        self.add("key without version", self.sign(message(), "plain"))
        self.add("key behind an alias", self.sign(message(), "alias"))
        self.add("key in test mode", self.sign(message(), "testing"))
        self.add("identity", self.sign(message(), identity=b"@sub.good.example"))
        self.add("strict key, same identity", self.sign(message(), "strict", identity=b"a@good.example"))
        self.add("strict key, identity below", self.sign(message(), "strict", identity=b"@sub.good.example"), explained={
            "dkim": "t=s in the key forbids an identity below the domain (RFC 6376 3.6.1); dkimpy does not look at it"
        })
        self.add("two signatures", self.sign(self.sign(message(), "ed")))
        self.add("signed by another too", self.sign(self.sign(message()), domain="list.example"))
        self.add("signed by another alone", self.sign(message(), domain="list.example"))
        utf8 = message(author="=?utf-8?q?J=C3=B6rg?= <a@good.example>", body="Gr\u00fc\u00dfe\r\n" * 50)
        self.add("utf-8", self.sign(utf8))
        over = [b"from", b"from", b"to", b"subject", b"subject", b"reply-to"]
        self.add("fields that are not there", self.sign(message(), include_headers=over))
        self.add("long text", self.sign(message(body="0123456789 " * 6 + "\r\n" + "line\r\n" * 5000)))
        self.add("fields added on top", b"Received: from x by y; Sat, 28 Nov 2026 10:00:00 +0000\r\n" + self.sign(message()))
        self.add("length of all", self.sign(message(), length=True))

    def changed(self):
        """Signatures that do not hold."""
        text = self.sign(message())
        for name, was, is_now in (
            ("body changed", b"the text", b"another text"),
            ("footer added", b"the text.\r\n", b"the text.\r\n-- \r\nlist\r\n"),
            ("subject changed", b"Subject: A subject", b"Subject: [list] A subject"),
            ("author changed", b"Alice <a@good.example>", b"Eve <a@good.example>"),
            ("recipient changed", b"Bob", b"Eve"),
            ("body hash changed", b"bh=", b"bh=AAAA"),
            ("domain changed", b"d=good.example", b"d=soft.example"),
            ("selector changed", b"s=rsa", b"s=large"),
            ("no such key", b"s=rsa", b"s=none"),
            ("algorithm unknown", b"a=rsa-sha256", b"a=rsa-sha512"),
            ("version unknown", b"v=1", b"v=9"),
            ("without body hash", b"bh=", b"xx="),
            ("without a selector", b"s=rsa", b"xs=rsa"),
            ("not a tag list", b"v=1;", b"v=1;;;=;"),
        ):
            changed = text.replace(was, is_now, 1)
            assert changed != text, name
            self.add(name, changed)
        other = re.sub(rb"( b=)(.)(.)", lambda found: found[1] + found[3] + found[2] + b"x", text, count=1)
        self.add("signature changed", other)
        self.add("second author", b"From: Eve <e@soft.example>\r\n" + self.sign(message()), explained={
            "dmarc": "RFC 9989 takes a message with two From fields for no mail; authheaders takes the stricter of two domains"
        })
        self.add("key revoked", self.sign(message(), "revoked"))
        self.add("key is garbage", self.sign(message(), "garbage"))
        self.add("key of another", self.sign(message(), key=self.keys.other))
        self.add("key of 512 bits", self.sign(message(), "small", key=self.keys.small))
        self.add("key without an answer", self.sign(message(), "broken"))
        partly = self.sign(message(), length=True) + b"added by somebody\r\n"
        self.add("length of a part", partly, explained={
            "dkim": "a signature that leaves a part of the body unsigned is not accepted by ringpost (RFC 6376 8.2)"
        })
        past = int(time.time()) - 1000
        self.add("expired", self.sign(message()).replace(b" t=", f" x={past}; t=".encode(), 1))
        self.add("unsigned", message())
        simple = self.sign(message(), form=(SIMPLE, SIMPLE)).replace(b"Subject: A", b"Subject:  A")
        self.add("blank added, simple", simple)
        relaxed = self.sign(message()).replace(b"Subject: A", b"Subject:  A")
        self.add("blank added, relaxed", relaxed)

    def envelopes(self):
        """SPF in every way; the author is the sender's domain."""
        for domain in (
            "good", "sub.good", "soft", "neutral", "include", "nested", "redirect", "exists", "macro", "ptr", "syntax",
            "prefix", "loop", "many", "voids", "temp", "missing", "late", "two", "nospf", "broken", "none", "strict",
        ):
            sender = f"a@{domain}.example"
            text = message(author=f"<{sender}>")
            for client in (CLIENT, OTHER):
                self.add(f"spf {domain} {client}", text, sender=sender, client=client)
        for client in ("2001:db8::5", "2001:db9::5"):
            self.add(f"spf good {client}", message(), client=client)
        self.add("spf ptr 192.0.2.30", message(author="<a@ptr.example>"), sender="a@ptr.example", client="192.0.2.30")
        self.add("spf mx", message(author="<a@soft.example>"), sender="a@soft.example", client="192.0.2.20")
        self.add("spf mx 6", message(author="<a@soft.example>"), sender="a@soft.example", client="2001:db8:1::21")
        self.add("null sender", message(author="<mailer@mail.good.example>"), sender="")
        self.add("null sender, other client", message(author="<mailer@mail.good.example>"), sender="", client=OTHER)
        self.add("null sender, no domain", message(), sender="", helo="localhost")
        self.add("sender quoted", message(), sender='"a b"@good.example')

    def alignment(self):
        """DMARC with domains that differ."""
        self.add("sender below the author", message(), sender="a@sub.good.example")
        self.add("author below the sender", message(author="<a@sub.good.example>"))
        self.add("another sender", message(), sender="a@soft.example", client="192.0.2.20")
        self.add("another sender, signed", self.sign(message()), sender="a@soft.example", client="192.0.2.20")
        self.add("forwarded", self.sign(message()), sender="a@list.example", client=OTHER)
        self.add("forwarded and changed", self.sign(message()).replace(b"the text", b"x"), sender="a@list.example", client=OTHER)
        strict = "Alice <a@strict.example>"
        self.add("strict, signed", self.sign(message(strict), domain="strict.example"), sender="a@list.example", client=OTHER)
        below = self.sign(message("Alice <a@mail.strict.example>"), domain="strict.example")
        self.add("strict, signed above", below, sender="a@list.example", client=OTHER)
        self.add("no policy", message("<a@nospf.example>"), sender="a@good.example")
        self.add("two policies", message("<a@two.example>"), sender="a@good.example")
        self.add("policy among others", message("<a@ptr.example>"), sender="a@ptr.example", client="192.0.2.30")
        self.add("name in the display name", message('"a@good.example" <e@evil.example>'), sender="e@evil.example")
        self.add("author in upper case", self.sign(message("<A@GOOD.EXAMPLE>")), client=OTHER)
        self.add("author is nobody", message("undisclosed"), sender="a@good.example")


def organization(domain):
    """The organizational domain where the public suffix list has no rule but the default: a top-level domain is a suffix. The copy of
    the list that authheaders brings takes `example` for a domain of its own."""
    return domain and ".".join(domain.split(".")[-2:])


class Others:
    """The other programs, over the same server."""

    def __init__(self, port):
        self.port = port
        spf.DNSLookup = self.spf_lookup
        authheaders.get_org_domain = authheaders.dmarc_lookup.get_org_domain = organization

    def ask(self, name, kind):
        query = dns.message.make_query(name, kind)
        answer = dns.query.udp(query, "127.0.0.1", port=self.port, timeout=5)
        if answer.flags & dns.flags.TC:
            answer = dns.query.tcp(query, "127.0.0.1", port=self.port, timeout=5)
        return answer

    def spf_lookup(self, name, kind, strict=True, timeout=20):
        answer = self.ask(name, kind)
        if answer.rcode() == dns.rcode.SERVFAIL:
            raise spf.TempError("SERVFAIL")
        found = []
        for rrset in answer.answer:
            for record in rrset:
                key = (rrset.name.to_text().rstrip("."), dns.rdatatype.to_text(rrset.rdtype))
                if kind == "A":
                    found.append((key, record.address))
                elif kind == "AAAA":
                    found.append((key, socket.inet_pton(socket.AF_INET6, record.address)))
                elif kind == "MX":
                    found.append((key, (record.preference, record.exchange.to_text().rstrip("."))))
                elif kind == "PTR":
                    found.append((key, record.target.to_text().rstrip(".")))
                elif kind in ("TXT", "SPF") and record.rdtype == dns.rdatatype.TXT:
                    found.append((key, record.strings))
        return found

    def texts(self, name):
        answer = self.ask(name, "TXT")
        if answer.rcode() == dns.rcode.SERVFAIL:
            raise dkim.DnsTimeoutError("SERVFAIL")
        return [
            b"".join(record.strings)
            for rrset in answer.answer
            for record in rrset
            if record.rdtype == dns.rdatatype.TXT
        ]

    def key(self, name, timeout=5):
        name = name.decode() if isinstance(name, bytes) else name
        texts = self.texts(name)
        return texts[0] if texts else None

    def policy(self, name):
        name = name.decode() if isinstance(name, bytes) else name
        records = [text for text in self.texts(name) if text.startswith(b"v=DMARC1")]
        return records[0].decode() if len(records) == 1 else None

    def judge(self, mail):
        text = base64.b64decode(mail["message"])
        client, sender, helo = mail["client"], mail["sender"], mail["helo"]
        word, _ = spf.check2(client, sender, helo, querytime=0)
        signed = []
        count = len([1 for name, _ in dkim.rfc822_parse(text)[0] if name.lower() == b"dkim-signature"])
        aligned = []
        for at in range(count):
            verifier = dkim.DKIM(text, timeout=5)
            try:
                held = verifier.verify(idx=at, dnsfunc=self.key)
            except Exception:
                held = False
            signed.append(bool(held))
            if held:
                aligned.append(authheaders.DKIMAuthenticationResult(
                    result="pass", header_d=verifier.signature_fields[b"d"].decode(), header_i=""
                ))
        identity = sender or f"postmaster@{helo}"
        words = set()
        for one in aligned or [None]:
            result = authheaders.SPFAuthenticationResult(result=word, smtp_mailfrom=identity, smtp_helo=helo)
            words.add(authheaders.check_dmarc(text, spf_result=result, dkim_result=one, dnsfunc=self.policy).result)
        mail["spf"] = word
        mail["dkim"] = signed
        mail["dmarc"] = "pass" if "pass" in words else words.pop()


def main():
    keys = Keys()
    zone = {**spf_zone(), **policies()}
    for domain in ("good.example", "soft.example", "strict.example", "list.example"):
        for name, records in keys.zone(domain).items():
            zone[name] = records
    names = Names(zone)
    corpus = Corpus(keys)
    corpus.signed()
    corpus.changed()
    corpus.envelopes()
    corpus.alignment()
    others = Others(names.port)
    for mail in corpus.mails:
        others.judge(mail)
    assert len({mail["name"] for mail in corpus.mails}) == len(corpus.mails), "each mail has its name"
    print(json.dumps({"port": names.port, "mails": corpus.mails}), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
