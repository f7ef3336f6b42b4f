"""The faults: each is what an operator, a machine or a network does to a replicated cluster, and takes it back at its end.

Each has a fault to note in when it was under way (trial.Fault), and the topics that mail goes to. A fault is over when the cluster could
take a record again, whether ringpost has noticed or not; then each waits until all replicas are in sync, so that the next one hits a
cluster that is whole.
Must not know: ringpost, the load.
"""
import os
import signal
import time

import kafka_wire
from replicated import until

PARTITIONS = 8


def leaders_killed(fault, cluster, topics, count=10, pause=1.0):
    """kill -9 of the broker that leads a partition, another one each time; over when all its partitions have a leader again."""
    for number in range(count):
        node = cluster.leader(topics[0], number % PARTITIONS)
        with fault.under_way():
            cluster.kill(node)
            until(lambda: all_led(cluster, topics), "new leaders")
        cluster.start(node)
        cluster.await_in_sync(*topics)
        time.sleep(pause)


def all_led(cluster, topics):
    found = cluster.ask(*topics).topics
    return all(one.leader in cluster.processes for topic in topics for one in found[topic].values())


def rolling_restart(fault, cluster, topics):
    """SIGTERM to each broker, its start, and all in sync before the next one."""
    with fault.under_way():
        for node in list(cluster.nodes):
            cluster.terminate(node)
            cluster.start(node)
            cluster.await_in_sync(*topics)


def all_down(fault, cluster, topics, seconds=60):
    """kill -9 of all brokers at once; all are started again when the time is over."""
    nodes = list(cluster.nodes)
    with fault.under_way():
        cluster.signal(signal.SIGKILL, *nodes)
        cluster.reap(*nodes)
        time.sleep(seconds)
        for node in nodes:
            cluster.launch(node)
        cluster.await_takes(topics[0])
    for node in nodes:
        cluster.await_member(node)
    cluster.await_in_sync(*topics)


def two_stopped(fault, cluster, topics, seconds=30):
    """Two brokers of three end; the third leads all, and may not store. By kill -9: the second could not hand its partitions over."""
    with fault.under_way():
        cluster.kill(1, 2)
        time.sleep(seconds)
        cluster.launch(1)
        cluster.launch(2)
        cluster.await_takes(topics[0])
    cluster.await_member(1)
    cluster.await_member(2)
    cluster.await_in_sync(*topics)


def two_frozen(fault, cluster, topics, seconds=25):
    """SIGSTOP to two brokers of three: their sockets stay open, and nothing is answered."""
    with fault.under_way():
        cluster.signal(signal.SIGSTOP, 1, 2)
        time.sleep(seconds)
        cluster.signal(signal.SIGCONT, 1, 2)
        cluster.await_takes(topics[0])
    cluster.await_in_sync(*topics)


def all_frozen(fault, cluster, topics, seconds=15):
    """SIGSTOP to all of them."""
    with fault.under_way():
        cluster.signal(signal.SIGSTOP, *cluster.nodes)
        time.sleep(seconds)
        cluster.signal(signal.SIGCONT, *cluster.nodes)
        cluster.await_takes(topics[0])
    cluster.await_in_sync(*topics)


def elections(fault, cluster, topics, count=10, pause=2.0):
    """Another replica becomes the preferred leader of each partition, and is elected: all leaders move at once."""
    assignments = {topic: cluster.assignment(PARTITIONS) for topic in topics}
    for _ in range(count):
        for topic in topics:
            assignments[topic] = [nodes[1:] + nodes[:1] for nodes in assignments[topic]]
            cluster.operator(kafka_wire.reassign, topic, assignments[topic])
        with fault.under_way():
            for topic in topics:
                cluster.operator(kafka_wire.elect_preferred, topic, PARTITIONS)
            until(lambda: led_by(cluster, assignments), "the preferred leaders")
        time.sleep(pause)


def led_by(cluster, assignments):
    found = cluster.ask(*assignments).topics
    return all(found[topic][partition].leader == nodes[0]
               for topic, places in assignments.items() for partition, nodes in enumerate(places))


def cut_off(fault, cluster, topics, nodes=(0,), seconds=30):
    """Nothing passes between ringpost and these brokers; the brokers see each other."""
    with fault.under_way():
        cluster.network("hold", *nodes)
        time.sleep(seconds)
        cluster.network("pass", *nodes)
    cluster.await_in_sync(*topics)


def late(fault, cluster, topics, nodes=(0,), seconds=40, by=20):
    """What these brokers answer arrives so many seconds later."""
    with fault.under_way():
        cluster.network(f"late {by}", *nodes)
        time.sleep(seconds)
        cluster.network("pass", *nodes)
    cluster.await_in_sync(*topics)


def disk_full(fault, cluster, topics, seconds=20):
    """The small disks of brokers are filled up; then there is room again, and the brokers that ended are started. It begins when the
    last one is full: filling takes a second or two, in which mail is stored.
    """
    nodes = list(cluster.shape.disks)
    fillers = [os.path.join(cluster.folder, str(node), "disk", "filler") for node in nodes]
    for filler in fillers:
        fill(filler)
    with fault.under_way():
        time.sleep(seconds)
        for filler in fillers:
            os.unlink(filler)
        for node in nodes:
            if cluster.processes[node].poll() is None:
                # It goes on without its log: only a restart opens it again.
                cluster.processes[node].kill()
            cluster.reap(node)
            cluster.launch(node)
        cluster.await_takes(topics[0])
    for node in nodes:
        cluster.await_member(node)
    cluster.await_in_sync(*topics)


def fill(path):
    with open(path, "wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while file.write(bytes(size)) == size:
                    pass
            except OSError:
                continue


def topics_replaced(fault, cluster, topics, seconds=10):
    """The topics are deleted, and made again under the same names."""
    with fault.under_way():
        for topic in topics:
            cluster.operator(kafka_wire.delete_topic, topic)
        time.sleep(seconds)
        for topic in topics:
            cluster.create(topic, PARTITIONS)


def partitions_added(fault, cluster, topics, more=4):
    """Each topic gets four partitions more."""
    with fault.under_way():
        for topic in topics:
            count = PARTITIONS + more
            cluster.operator(kafka_wire.add_partitions, topic, cluster.assignment(count, PARTITIONS), count)
            cluster.await_in_sync(topic, partitions=count)


def certificate_ended(fault, cluster, topics, ends, renew, seconds=20):
    """The brokers' certificates have ended, and all connections break; `renew` gives new ones, which the brokers take while they run."""
    time.sleep(max(ends - time.monotonic(), 0) + 1)
    with fault.under_way():
        cluster.network("drop", *cluster.nodes)
        time.sleep(seconds)
        for node in cluster.nodes:
            path = renew(node)
            kafka_wire.set_config(cluster.addresses[node], kafka_wire.BROKER, str(node), "listener.name.far.ssl.keystore.location", path)
    cluster.await_in_sync(*topics)


def store_down(fault, store, seconds=30):
    """The object store's process ends; each connection to it is closed."""
    with fault.under_way():
        store.kill()
        time.sleep(seconds)
        store.start()


def store_late(fault, store, seconds=40, by=20):
    """What the object store answers arrives so many seconds later."""
    with fault.under_way():
        store.proxy.tell(f"late {by}", 0)
        time.sleep(seconds)
        store.proxy.tell("pass", 0)


def servers_killed(fault, servers, count=10, pause=4.0):
    """kill -9 of ringpost itself; its supervisor starts it at once."""
    for _ in range(count):
        with fault.under_way():
            for server in servers:
                server.kill()
            for server in servers:
                server.start()
        time.sleep(pause)

