# What the examples' selftest.sh scripts share; they source it:
#
#   . "$PEERS/selftest.sh"
#   need python curl
#   start minimal-ws-server -p 0
#   "$LWS_PEERS_PYTHON" "$PEERS/ws_client.py" "ws://127.0.0.1:$PORT/" --case chat
#
# Set by api-tests/run: BIN_DIR (the built programs), PEERS (this folder),
# LWS_PEERS_PYTHON (a Python with the peers' packages, may be empty),
# LWS_REQUIRE_PEERS (1: a missing peer is a failure, not a skip).
# A selftest ends with 0 (passed), 77 (skipped) or anything else (failed).

set -euo pipefail

SELFTEST_DIR=$(mktemp -d)
SELFTEST_PIDS=()
SELFTEST_STARTED=0

# Ends what `start` started, then removes the scratch folder.
selftest_end() {
    local status=$?
    trap - EXIT
    if [ ${#SELFTEST_PIDS[@]} -gt 0 ]; then
        kill "${SELFTEST_PIDS[@]}" 2>/dev/null || true
        wait "${SELFTEST_PIDS[@]}" 2>/dev/null || true
    fi
    if [ "$status" != 0 ] && [ "$status" != 77 ]; then
        for log in "$SELFTEST_DIR"/*.log; do
            [ -e "$log" ] && { echo "--- ${log##*/}"; tail -n 40 "$log"; }
        done
    fi
    rm -rf "$SELFTEST_DIR"
    exit "$status"
}
trap selftest_end EXIT
trap 'exit 143' TERM INT HUP

fail() {
    echo "FAIL: $*"
    exit 1
}

# equal WHAT GOT WANT
equal() {
    [ "$2" = "$3" ] || fail "$1: got '$2', want '$3'"
}

# need PEER...: skips the selftest (or fails it) if one is not there. `python`
# means the venv's.
need() {
    local peer
    for peer in "$@"; do
        if [ "$peer" = python ]; then
            [ -n "${LWS_PEERS_PYTHON:-}" ] && continue
        elif command -v "$peer" >/dev/null; then
            continue
        fi
        [ "${LWS_REQUIRE_PEERS:-}" = 1 ] && fail "$peer is not installed"
        echo "skipped: needs $peer; api-tests/run --install installs it"
        exit 77
    done
}

# await PID LOG REGEX: waits until a line of LOG matches, and prints what did.
# Ends in a failure if the process ends first; the runner bounds the time.
await() {
    local found
    while ! found=$(grep -m1 -oE -- "$3" "$2" 2>/dev/null); do
        kill -0 "$1" 2>/dev/null || fail "${2##*/}: ended before it printed $3"
        sleep 0.02 # between two looks at the log
    done
    echo "$found"
}

# start PROGRAM ARGS...: starts a server of BIN_DIR with `-p 0` among its
# arguments and sets PORT to what it printed (`http://localhost:PORT` or
# `port PORT`), PID to its process id, LOG to its output.
start() {
    local program=$1
    shift
    SELFTEST_STARTED=$((SELFTEST_STARTED + 1))
    LOG=$SELFTEST_DIR/$SELFTEST_STARTED.$program.log
    "$BIN_DIR/$program" "$@" >"$LOG" 2>&1 </dev/null &
    PID=$!
    SELFTEST_PIDS+=("$PID")
    PORT=$(await "$PID" "$LOG" '(://[^/ ]*:|[Pp][Oo][Rr][Tt][ :=]+)[0-9]+')
    PORT=${PORT##*[!0-9]}
}

# stop: SIGTERM to the last started server, which must end well.
stop() {
    local status=0
    kill "$PID"
    wait "$PID" || status=$?
    equal "exit code of a server after SIGTERM" "$status" 0
    unset 'SELFTEST_PIDS[-1]'
}
