#!/usr/bin/env bash
# Two vhosts, one certificate: both serve it, wherever it came from.
set -euo pipefail
cd "$(dirname "$0")"
. ../../selftest-lib.sh

need curl
start_server minimal-http-server-tls-mem
more_ports 2
for PORT in "${PORTS[@]}"; do
    get / --tlsv1.3
    expect_file "by TLS 1.3" mount-origin/index.html "$BODY"
    get / --tls-max 1.2
    expect_file "by TLS 1.2" mount-origin/index.html "$BODY"
done
stop "$PID"
