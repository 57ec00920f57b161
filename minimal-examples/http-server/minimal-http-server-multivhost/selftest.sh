#!/usr/bin/env bash
# Each name its own pages, on a port of its own or shared.
set -euo pipefail
cd "$(dirname "$0")"
. ../../selftest-lib.sh

need curl
start_server minimal-http-server-multivhost --destroy-after 0
wait_for "$SERVER_LOG" 'localhost3 was destroyed'
PORT=${PORTS[1]}
get / -H 'Host: localhost3'
expect_file "after localhost3 has gone" mount-origin-localhost2/index.html "$BODY"
stop "$PID"

start_server minimal-http-server-multivhost
wait_for "$SERVER_LOG" '\(localhost3\)'
expect "vhosts" 3 "${#PORTS[@]}"
expect "port of localhost3" "${PORTS[1]}" "${PORTS[2]}"

get / -H 'Host: localhost3'
expect_file "the only vhost of its port" mount-origin-localhost1/index.html "$BODY"
PORT=${PORTS[1]}
get / -H "Host: localhost2:$PORT"
expect_file "localhost2" mount-origin-localhost2/index.html "$BODY"
get / -H 'Host: LOCALHOST3'
expect_file "localhost3" mount-origin-localhost3/index.html "$BODY"
get / -H 'Host: localhost33'
expect_file "a name nobody has" mount-origin-localhost2/index.html "$BODY"
stop "$PID"

run minimal-http-server-multivhost -p 0 --die-after-vhost
expect_in "--die-after-vhost" "leaving after the vhosts were created" "$OUT"
