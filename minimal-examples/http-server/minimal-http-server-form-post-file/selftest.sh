#!/usr/bin/env bash
# Files from forms are written whole, under names that stay in the folder, or not at all.
set -euo pipefail
cd "$(dirname "$0")"
. ../../selftest-lib.sh

need curl
FOLDER=$WORK/uploads
mkdir "$FOLDER"
start_server minimal-http-server-form-post-file --dir "$FOLDER"

head -c 3000000 /dev/urandom >"$WORK/large.bin"
: >"$WORK/empty.bin"
printf 'text\r\n--\r\n' >"$WORK/small.txt"

# post CURL-ARGUMENT...: without waiting for a 100, whose head would be the first
post() {
    get /upload -H Expect: "$@"
}

for version in --http1.1 --http2-prior-knowledge; do
    for file in large.bin empty.bin small.txt; do
        rm -f "$FOLDER/$file"
        post "$version" -F "file=@$WORK/$file" -F send=upload
        expect "status, $file $version" 303 "$STATUS"
        expect_file "$file $version" "$WORK/$file" "$FOLDER/$file"
        wait_for "$SERVER_LOG" "upload done, written $(stat -c %s "$WORK/$file") to $file"
    done
    post "$version" -F "file=@$WORK/small.txt;filename=../../up$version"
    expect "status of a path $version" 303 "$STATUS"
    expect_file "a path's last part $version" "$WORK/small.txt" "$FOLDER/up$version"
    post "$version" -F "file=@$WORK/small.txt;filename=..dots"
    expect "status of a dot file $version" 500 "$STATUS"
    post "$version" -F "other=@$WORK/small.txt;filename=other.txt"
    expect "status of another field's file $version" 303 "$STATUS"
done
[ ! -e "$WORK/up--http1.1" ] && [ ! -e "$FOLDER/other.txt" ] || fail "a file is where it mustn't be"

# one that is cut off leaves nothing behind
timeout 0.5 curl -sS --limit-rate 200K -F "file=@$WORK/large.bin;filename=cut.bin" \
    "http://localhost:$PORT/upload" >/dev/null 2>&1 || true
post -F "file=@$WORK/small.txt"
expect "status after a cut upload" 303 "$STATUS"
for _ in {1..200}; do
    [ -z "$(find "$FOLDER" -name '.*.part')" ] && break
    sleep 0.05
done
expect "files in the folder" "empty.bin large.bin small.txt up--http1.1 up--http2-prior-knowledge" \
    "$(find "$FOLDER" -type f -printf '%f\n' | sort | xargs)"

stop "$PID"
