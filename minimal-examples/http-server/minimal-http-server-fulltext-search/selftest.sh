#!/usr/bin/env bash
# What completes a word, which lines have it, and what is no word.
set -euo pipefail
cd "$(dirname "$0")"
. ../../selftest-lib.sh

need curl python3
start_server minimal-http-server-fulltext-search

# json WHAT WANTED EXPRESSION: what python makes of the last answer, as `a`.
json() {
    expect "$1" "$2" "$(python3 -c 'import json, sys
a = json.load(open(sys.argv[1]))
print(eval(sys.argv[2]))' "$BODY" "$3")"
}

for version in --http1.1 --http2-prior-knowledge; do
    get /fts/a/b "$version"
    expect "status of completions $version" 200 "$STATUS"
    json "schema $version" lws-fts 'a["schema"]'
    json "the best $version" "be 472 but 401 by 242" '" ".join("{word} {matches}".format(**c) for c in a["completions"][:3])'
    json "how many $version" 20 'len(a["completions"])'
    json "no files $version" '[]' 'a.get("files", [])'
    get /fts/a/basi "$version"
    json "all that begin so $version" "[('basil', 158), ('basis', 5)]" '[(c["word"], c["matches"]) for c in a["completions"]]'
    get /fts/r/HELP "$version"
    json "the file $version" "the-picture-of-dorian-gray.txt 32 8904" '"{path} {matches} {lines_in_file}".format(**a["files"][0])'
    json "its lines $version" "31 [360, 393]" 'str(len(a["files"][0]["lines"])) + " " + str([l["line"] for l in a["files"][0]["lines"]][:2])'
    json "their text $version" True 'all("help" in l["text"].lower() for l in a["files"][0]["lines"])'
    get /fts/r/the "$version"
    json "not more than a hundred lines $version" 100 'len(a["files"][0]["lines"])'
    get /fts/r/xylophonist "$version"
    json "a word that isn't there $version" '[]' 'a.get("files", [])'
    get /fts/a/%C3%A9 "$version"
    expect "a letter that isn't ASCII $version" 200 "$STATUS"
    get /fts/a/ "$version"
    json "nothing typed yet: the most frequent of all $version" the 'a["completions"][0]["word"]'
    for bad in /fts/a/two%20words /fts/r/-; do
        get "$bad" "$version"
        expect "status of $bad $version" 400 "$STATUS"
    done
    get /fts/x/be "$version"
    expect "another question goes to the error page $version" 302 "$STATUS"
done
get /
expect_file "the page" mount-origin/index.html "$BODY"
[ -z "$(find "${TMPDIR:-/tmp}" -maxdepth 1 -name "lws-fts-index-$PID")" ] || fail "the index is still there"
stop "$PID"

printf 'quotes " and \\ and <tags>\nand no end of line' >"$WORK/text"
start_server minimal-http-server-fulltext-search -s -t "$WORK/text"
get /fts/r/and
json "another text, by TLS" 'quotes " and \ and <tags>|and no end of line' '"|".join(l["text"] for l in a["files"][0]["lines"])'
stop "$PID"
