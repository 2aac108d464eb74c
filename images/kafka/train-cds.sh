#!/bin/bash
# Makes the class-data-sharing archives: runs ZooKeeper and one broker until a topic exists, and lets each JVM
# write the classes that it loaded when it ends. Later starts map them instead of parsing a hundred jars.
set -eu
work=$(mktemp -d)
cat > "$work/zoo.cfg" <<CFG
dataDir=$work/zookeeper
clientPort=2181
admin.enableServer=false
4lw.commands.whitelist=srvr
CFG
cat > "$work/server.properties" <<CFG
broker.id=0
listeners=PLAINTEXT://127.0.0.1:9092
zookeeper.connect=127.0.0.1:2181
log.dirs=$work/kafka
CFG
archive() { echo "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -XX:ArchiveClassesAtExit=/opt/kafka/$1.jsa"; }
KAFKA_JVM_PERFORMANCE_OPTS=$(archive zookeeper) /opt/kafka/bin/zookeeper-server-start.sh "$work/zoo.cfg" &
zookeeper=$!
KAFKA_JVM_PERFORMANCE_OPTS=$(archive kafka) KAFKA_HEAP_OPTS=-Xmx512m /opt/kafka/bin/kafka-server-start.sh "$work/server.properties" &
kafka=$!
/opt/kafka/bin/kafka-topics.sh --bootstrap-server 127.0.0.1:9092 --create --topic trained --partitions 3
echo trained | /opt/kafka/bin/kafka-console-producer.sh --bootstrap-server 127.0.0.1:9092 --topic trained
/opt/kafka/bin/kafka-topics.sh --bootstrap-server 127.0.0.1:9092 --describe --topic trained
kill "$kafka" && wait "$kafka" || true
kill "$zookeeper" && wait "$zookeeper" || true
rm -rf "$work"
ls -l /opt/kafka/kafka.jsa /opt/kafka/zookeeper.jsa
