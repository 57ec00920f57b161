# Shell functions that the examples' selftest.sh share; sourced, not run.
#
# A selftest finds the built programs in $BIN_DIR and exits with 0 when all is as it should be,
# with 77 when a tool it needs is missing, else with something else.
# shellcheck shell=bash

: "${BIN_DIR:?the folder of the built examples, such as target/release}"

WORK=$(mktemp -d)
PIDS=()
# what our servers show under TLS, unless they are told otherwise
LOCALHOST_CERT=$(cd "$(dirname "${BASH_SOURCE[0]}")/certs" && pwd)/localhost-100y.cert

# Whatever was started ends with the test.
cleanup() {
    local pid
    for pid in "${PIDS[@]}"; do
        kill "$pid" 2>/dev/null || true
    done
    for pid in "${PIDS[@]}"; do
        wait "$pid" 2>/dev/null || true
    done
    rm -rf "$WORK"
}
trap cleanup EXIT

# fail WHY...
fail() {
    printf 'FAIL: %s\n' "$*" >&2
    local log
    for log in "$WORK"/*.log; do
        [ -s "$log" ] && printf -- '--- %s\n' "${log##*/}" >&2 && tail -n 40 "$log" >&2
    done
    exit 1
}

# need TOOL...: skips the test when one is missing.
need() {
    local tool
    for tool in "$@"; do
        command -v "$tool" >/dev/null || { echo "SKIP: no $tool"; exit 77; }
    done
}

# wait_for FILE PATTERN: until a line of the file fits the pattern (grep -E), at most 10 s.
wait_for() {
    local _
    for _ in {1..200}; do
        grep -qE -- "$2" "$1" 2>/dev/null && return
        sleep 0.05
    done
    fail "nothing like \"$2\" in ${1##*/}"
}

# start NAME COMMAND...: runs it in the background, its output in $WORK/NAME.log; PID is its process.
start() {
    local name=$1
    shift
    # nobody is to read what an earlier one of this name has left
    rm -f "$WORK/$name.log"
    "$@" >"$WORK/$name.log" 2>&1 </dev/null &
    PID=$!
    PIDS+=("$PID")
}

# start_server EXAMPLE ARGUMENT...: on any free port, which goes to PORT, all of them to PORTS; SCHEME
# is the first one's.
start_server() {
    local name=$1
    shift
    start "$name" "$BIN_DIR/$name" -p 0 "$@"
    SERVER_LOG=$WORK/$name.log
    wait_for "$SERVER_LOG" '^open [a-z]+://localhost:[0-9]+'
    mapfile -t PORTS < <(sed -nE 's|^open [a-z]+://localhost:([0-9]+).*|\1|p' "$SERVER_LOG")
    PORT=${PORTS[0]}
    SCHEME=$(sed -nE 's|^open ([a-z]+)://.*|\1|p;T;q' "$SERVER_LOG")
}

# more_ports COUNT: until the server that was started last has said where it listens so many times; sets PORTS.
more_ports() {
    local _
    for _ in {1..200}; do
        mapfile -t PORTS < <(sed -nE 's|^open [a-z]+://localhost:([0-9]+).*|\1|p' "$SERVER_LOG")
        [ ${#PORTS[@]} -ge "$1" ] && return
        sleep 0.05
    done
    fail "the server listens on ${#PORTS[@]} ports, not on $1"
}

# run EXAMPLE ARGUMENT...: a client, which must succeed within 20 s; its output goes to OUT.
run() {
    local name=$1
    shift
    OUT=$(timeout 20 "$BIN_DIR/$name" "$@" 2>&1 </dev/null) || fail "$name $* ended with $?: $OUT"
}

# run_failing EXAMPLE ARGUMENT...: a client that must end by itself, with exit status 1.
run_failing() {
    local name=$1 status=0
    shift
    OUT=$(timeout 20 "$BIN_DIR/$name" "$@" 2>&1 </dev/null) || status=$?
    expect "exit status of $name $*" 1 "$status"
}

# get PATH [CURL ARGUMENT...]: asks the server at PORT by SCHEME for it; the head goes to HEAD, STATUS,
# the body to BODY.
get() {
    local path=$1
    shift
    BODY=$WORK/body
    : >"$BODY"
    HEAD=$(curl -sS --max-time 10 -D - -o "$BODY" --cacert "$LOCALHOST_CERT" "$@" \
        "${SCHEME:-http}://localhost:$PORT$path") || fail "curl $path: exit status $?"
    HEAD=${HEAD//$'\r'/}
    # shellcheck disable=SC2034 # for the tests
    STATUS=$(sed -nE '1s|^HTTP/[0-9.]+ ([0-9]+).*|\1|p' <<<"$HEAD")
}

# header NAME: its value in the head that get has left.
header() {
    sed -nE "s/^$1: (.*)/\1/Ip" <<<"$HEAD"
}

# expect WHAT EXPECTED ACTUAL
expect() {
    [ "$2" = "$3" ] || fail "$1: expected \"$2\", got \"$3\""
}

# expect_file WHAT EXPECTED-FILE ACTUAL-FILE
expect_file() {
    cmp -s "$2" "$3" || fail "$1: not the same as $2"
}

# expect_in WHAT PART TEXT: the text has that part.
expect_in() {
    [[ $3 == *"$2"* ]] || fail "$1: no \"$2\" in \"$3\""
}

# stop PID: asks a server to end; it must do so by itself, within 10 s, with status 0.
stop() {
    kill -TERM "$1"
    local _ status=0
    for _ in {1..200}; do
        kill -0 "$1" 2>/dev/null || break
        sleep 0.05
    done
    kill -0 "$1" 2>/dev/null && fail "process $1 goes on after SIGTERM"
    wait "$1" || status=$?
    expect "exit status after SIGTERM" 0 "$status"
}

# need_peers: skips the test when there is no Python with the packages of the peers, which are the
# scripts in api-tests/peers.
need_peers() {
    PEERS=${PEERS:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../api-tests/peers" && pwd)}
    PYTHON=${LWS_PEERS_PYTHON:-python3}
    export PYTHONDONTWRITEBYTECODE=1
    if ! "$PYTHON" -c 'import websockets.sync.client' 2>/dev/null; then
        [ "${LWS_REQUIRE_PEERS:-}" = 1 ] && fail "no Python with the package websockets"
        echo "SKIP: no Python with the package websockets"
        exit 77
    fi
}

# need_h2_peers: as need_peers, for those that speak HTTP/2.
need_h2_peers() {
    need_peers
    if ! "$PYTHON" -c 'import h2, hpack, wsproto' 2>/dev/null; then
        [ "${LWS_REQUIRE_PEERS:-}" = 1 ] && fail "no Python with the packages h2, hpack and wsproto"
        echo "SKIP: no Python with the packages h2, hpack and wsproto"
        exit 77
    fi
}

# h2load_all COUNT CLIENTS URL [ARGUMENT...]: so many requests, all of which must succeed.
h2load_all() {
    local load=$WORK/h2load.log
    timeout 60 h2load -n "$1" -c "$2" "${@:4}" "$3" >"$load" || fail "h2load $* ended with $?"
    expect "requests that succeeded, h2load $*" "$1 succeeded, 0 failed, 0 errored, 0 timeout" \
        "$(sed -nE 's/^requests: .* done, //p' "$load")"
    expect "answers, h2load $*" "$1 2xx, 0 3xx, 0 4xx, 0 5xx" "$(sed -nE 's/^status codes: //p' "$load")"
}

# peer SCRIPT ARGUMENT...: runs a peer that is a client; "-" is a script on standard input.
peer() {
    local script=$1
    shift
    [ "$script" = - ] || script=$PEERS/$script
    timeout 75 "$PYTHON" "$script" "$@" || fail "peer ${script##*/} $* ended with $?"
}

# peer_status SCRIPT ARGUMENT...: runs a peer that may say by its exit status that it was skipped.
peer_status() {
    timeout 75 "$PYTHON" "$PEERS/$1" "${@:2}"
}

# skip_part NAME REASON: goes on without a part that lacks a tool, which counts as skipped.
skip_part() {
    [ "${LWS_REQUIRE_PEERS:-}" = 1 ] && fail "$1: skipped, but nothing may be: $2"
    echo "$1: $2" | tee -a "${LWS_SKIP_LOG:-/dev/null}"
}

# has_node_peers: whether node and the packages in api-tests/peers/node are there; else it says that the
# part with them is skipped. NODE_PATH is set.
has_node_peers() {
    export NODE_PATH=${LWS_PEERS_NODE:-}
    node -e 'require("ws")' >/dev/null 2>&1 && return
    skip_part "node peers of $(basename "$PWD")" "needs node and its package ws"
    return 1
}

# node_peer ARGUMENT...: runs ws_node.js, which must succeed.
node_peer() {
    timeout 75 node "$PEERS/node/ws_node.js" "$@" || fail "peer ws_node.js $* ended with $?"
}

# start_peer SCRIPT ARGUMENT...: starts a peer that is a server; sets PID, PORT, and SERVER_LOG.
start_peer() {
    local name=$1
    shift
    start "$name" "$PYTHON" "$PEERS/$name" --print-port "$@"
    SERVER_LOG=$WORK/$name.log
    wait_for "$SERVER_LOG" '^PORT [0-9]+'
    PORT=$(sed -n 's/^PORT //p' "$SERVER_LOG")
}

# test_certificates: makes those of certs/README.md; CERTS is their folder.
test_certificates() {
    need openssl
    CERTS=$WORK/certs
    "$(dirname "${BASH_SOURCE[0]}")/certs/make-certs.sh" --all "$CERTS"
}

# start_tls_peer CERTIFICATE ARGUMENT...: starts tls_peer.py with one of CERTS; sets what start_peer does.
start_tls_peer() {
    start_peer tls_peer.py --cert "$CERTS/$1.cert" --key "$CERTS/${1%-chain}.key" --events "${@:2}"
}

# start_openssl CERTIFICATE ARGUMENT...: starts openssl's server with one of CERTS; sets PID, PORT,
# SERVER_LOG.
start_openssl() {
    start openssl openssl s_server -accept 127.0.0.1:0 -cert "$CERTS/$1.cert" -key "$CERTS/${1%-chain}.key" "${@:2}"
    SERVER_LOG=$WORK/openssl.log
    wait_for "$SERVER_LOG" '^ACCEPT .*:[0-9]+'
    PORT=$(sed -n 's/^ACCEPT .*://p' "$SERVER_LOG")
}
