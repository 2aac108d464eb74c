"""Upper bounds of a stack file's values, each with its source or its reason. A value above one is a typing error."""

from datetime import timedelta

TIB = 1024**4
EIB = 1024**6

MAX_INT = 2**31 - 1
"""Largest value of Kafka's type INT and of a Java ``int``."""

MAX_LONG = 2**63 - 1
"""Largest value of Kafka's type LONG."""

MAX_PORT = 65535

MAX_BROKERS = 1000
"""Brokers have the ids 0 to 999; Kafka's ``reserved.broker.max.id`` is 1000
(https://kafka.apache.org/39/documentation.html#brokerconfigs_reserved.broker.max.id)."""

MAX_ENSEMBLE = 255
"""``myid`` is from 1 to 255 (https://zookeeper.apache.org/doc/r3.8.4/zookeeperAdmin.html#sc_zkMulitServerSetup)."""

MAX_PARTITIONS = 200_000
"""Partitions of one cluster with ZooKeeper, as Kafka's authors recommend
(https://blogs.apache.org/kafka/entry/apache-kafka-supports-more-partitions)."""

MAX_TOPICS = 10_000
"""No tool's limit: 20 partitions each reach :data:`MAX_PARTITIONS`."""

MAX_LAG = 2**53
"""Prometheus' numbers are 64-bit floats, in which larger whole numbers are not exact."""

LARGEST_MEMORY, LARGEST_MEMORY_TEXT = 64 * TIB, "64TiB"
"""Physical memory that Linux addresses with four levels of page tables
(https://docs.kernel.org/arch/x86/x86_64/5level-paging.html)."""

LARGEST_STORAGE, LARGEST_STORAGE_TEXT = EIB, "1EiB"
"""Largest ext4 file system (https://docs.kernel.org/filesystems/ext4/overview.html)."""

MAX_CORES = 8192
"""Largest ``NR_CPUS`` of Linux on x86-64 (arch/x86/Kconfig)."""

LONGEST_WAIT = timedelta(days=1)
"""For stopping a member and for the health gate. No tool's limit: a longer one is most likely in the wrong unit."""

LONGEST_TICK = timedelta(days=1)
"""ZooKeeper's longest session is 20 ticks, in a Java ``int`` of milliseconds: 24.8 days."""

MAX_HOST = 253
"""Characters of a domain name: 255 bytes less two for lengths (RFC 1035, 2.3.4). Kubernetes' object names, too."""

MAX_IMAGE = 520
"""Characters of an image reference: a name of 255, a tag of 128 and a SHA-512 digest of 135, with their separators
(https://pkg.go.dev/github.com/distribution/reference)."""

MAX_PATH = 4096
"""Linux' ``PATH_MAX``."""

MAX_TEXT = 1024
"""Characters of a kubeconfig's context and of a password. No tool's limit."""

MAX_OPTIONS, MAX_OPTION = 60, 500
"""JVM options, and characters of each. All are one environment variable, of at most 128 KiB (execve(2)); a character
has up to 4 bytes."""

MAX_CONFIG = 100_000
"""Characters of all keys and values of a ``config``. It becomes a ConfigMap, of at most 1 MiB
(https://kubernetes.io/docs/concepts/configuration/configmap/); an escaped character has up to 6 bytes."""

MAX_ENTRIES = 100
"""Entries of a short list: snapshot rules, pull secrets, client namespaces, Alertmanagers. No tool's limit."""

MAX_APPS = 1000
"""Applications of a stack file. No tool's limit: each has a handful of rights, which every broker keeps in memory."""

MAX_GENERATION = 10_000
"""Numbers of passwords and authorities. No tool's limit."""

MAX_REQUEST_PERCENT = 100_000
"""Percent of one request thread; a broker with a thousand threads has so much
(https://kafka.apache.org/39/documentation.html#design_quotascpu)."""
