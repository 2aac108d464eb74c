#!/bin/bash
# Runs a class of the distribution. Reads the same variables as the public image's script of this name
# (KAFKA_HEAP_OPTS, KAFKA_JVM_PERFORMANCE_OPTS, KAFKA_LOG4J_OPTS, KAFKA_OPTS), with the distribution's defaults.
set -eu
home=$(dirname "$(dirname "$(readlink -f "$0")")")
# Sorted by the shell: a class-data archive holds only for the class path that it was made with.
classpath=$(printf '%s:' "$home"/libs/*.jar)
performance="-server -XX:+UseG1GC -XX:MaxGCPauseMillis=20 -XX:InitiatingHeapOccupancyPercent=35"
performance="$performance -XX:+ExplicitGCInvokesConcurrent -Djava.awt.headless=true"
# shellcheck disable=SC2086  # these variables hold several options each
exec java ${KAFKA_HEAP_OPTS:--Xmx256M} ${KAFKA_JVM_PERFORMANCE_OPTS:-$performance} \
    ${KAFKA_LOG4J_OPTS:--Dlog4j.configuration=file:$home/config/tools-log4j.properties} ${KAFKA_OPTS:-} \
    -cp "${classpath%:}" "$@"
