"""What the scripts of this folder share: where the binaries are, servers that are started and stopped, CPU time, the head of a
table. It must not know what is measured, and compares nothing: `ringpost-loadtest compare` does.
"""
import dataclasses
import datetime
import os
import platform
import shutil
import socket
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
RELEASE = os.path.join(os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target")), "release")
LOADTEST = os.path.join(RELEASE, "ringpost-loadtest")
SENDER, RECIPIENT = "sender@example.com", "recipient@example.net"
PAUSE = 0.05


class Failed(Exception):
    """A server or a tool that did not do what it should; the text is for the person at the terminal."""


@dataclasses.dataclass
class Server:
    """A server on its own port; PORT and FOLDER in its command are replaced."""
    name: str
    command: list
    environment: dict = dataclasses.field(default_factory=dict)
    process: subprocess.Popen = None
    port: int = 0
    version: str = ""
    # What its output has to contain once it serves.
    says: str = ""
    extensions: frozenset = frozenset()

    def start(self, folder, pin=False):
        self.port = self.port or free_port()
        command = [part.replace("PORT", str(self.port)).replace("FOLDER", folder) for part in self.command]
        self.log = os.path.join(folder, self.name.replace(" ", "-") + ".log")
        with open(self.log, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                (["taskset", "-c", "0"] if pin else []) + command,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder, env={**os.environ, **self.environment})
        deadline = time.monotonic() + 20
        while not (banner(self.port) and self.says in self.output()):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise Failed(f"{self.name} did not start, or did not say {self.says!r}; {self.log}:\n{self.output()[-2000:]}")
            time.sleep(PAUSE)
        self.extensions = offered(self.port)

    def output(self):
        with open(self.log, encoding="utf-8") as log:
            return log.read()

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def banner(port):
    try:
        with socket.create_connection(("127.0.0.1", port), 1) as connection:
            return connection.recv(4).startswith(b"220")
    except OSError:
        return False


def offered(port):
    """The keywords of the answer to EHLO."""
    with socket.create_connection(("127.0.0.1", port), 10) as connection, connection.makefile("rwb") as stream:
        stream.readline()
        stream.write(b"EHLO client.example.com\r\n")
        stream.flush()
        lines = []
        while not lines or lines[-1][3:4] == b"-":
            lines.append(stream.readline())
        stream.write(b"QUIT\r\n")
    return frozenset(line[4:].split()[0].decode().upper() for line in lines[1:] if line[4:].strip())


def cpu_seconds(pid):
    """CPU time of a process with the threads that have ended, in the scheduler's ticks."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def ringpost(name, brokers, topic="mail", binary=None, engine="io_uring", file="ringpost.toml"):
    """ringpost with a file of the folder, such as the one that `configuration` writes, on this engine and no other: a fallback is not measured by mistake."""
    command = [binary or f"{RELEASE}/ringpost", "serve", "--listen", "127.0.0.1:PORT", "--config", f"FOLDER/{file}",
               "--brokers", brokers, "--topic", topic]
    return Server(name, command, {"RINGPOST_SERVER_IO": engine}, says=f" io={engine}")


def configuration(folder, workers=1, log=False, tls=False, properties=None, kafka=None, more=""):
    """Writes ringpost.toml: `kafka` are keys of [kafka], `more` is TOML that follows all the rest."""
    with open(os.path.join(folder, "ringpost.toml"), "w", encoding="utf-8") as file:
        if tls:
            file.write(f'[tls]\ncertificate = "{folder}/mx.pem"\nkey = "{folder}/key.pem"\n')
        file.write(f'[server]\nhostname = "mx.example.net"\nworkers = {workers}\n[admin]\nlisten = "127.0.0.1:0"\n'
                   '[recipients]\ndomains = ["*"]\n[limits]\nmessage_size = "100MiB"\n'
                   f'[log]\nmessages = {"true" if log else "false"}\n[kafka]\n')
        file.writelines(f'{key} = "{value}"\n' for key, value in (kafka or {}).items())
        file.write("[kafka.properties]\n")
        file.writelines(f'"{key}" = "{value}"\n' for key, value in (properties or {}).items())
        file.write(more)


def certificate(folder):
    """Makes key.pem and mx.pem for STARTTLS; whether there is an openssl to do so."""
    if not shutil.which("openssl"):
        return False
    files = ["-keyout", os.path.join(folder, "key.pem"), "-out", os.path.join(folder, "mx.pem")]
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-subj", "/CN=mx.example.net", "-days", "2"] + files, check=True, stderr=subprocess.DEVNULL)
    return True


def first_line(command):
    try:
        result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
        return result.stdout.splitlines()[0]
    except (OSError, subprocess.CalledProcessError, IndexError):
        return ""


def header(out, setting, servers=()):
    """When, which commit, which machine: a figure is worth nothing without these."""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        model = next((line.split(":")[1].strip() for line in file if line.startswith("model name")), platform.machine())
    commit = first_line(["git", "-C", ROOT, "describe", "--always", "--dirty"])
    versions = "; ".join(f"{server.name} {server.version}" for server in servers if server.version)
    out(f"## {datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d %H:%M} UTC, commit {commit}\n")
    out(f"{model}, {os.cpu_count()} cores, Linux {platform.release()}, {first_line(['rustc', '--version'])}; loopback, "
        f"{setting}. {versions}\n")


def output(path):
    """Prints, and appends to a file where one is named."""
    def out(text):
        print(text, flush=True)
        if path:
            with open(path, "a", encoding="utf-8") as file:
                print(text, file=file)
    return out


def spread(values, digits=1):
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f}-{max(values):.{digits}f})"


def fail(script, error):
    print(f"{script}: {error}", file=sys.stderr)
    return 1
