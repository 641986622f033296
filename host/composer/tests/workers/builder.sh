#!/bin/sh
# What workers start in place of osbuild-wasm where builds are only pretended: an archive of random bytes with their checksum behind
# them. Everything else is the program's own.
set -eu
[ "$1" = run ] || exec REAL "$@"
while [ $# -gt 0 ]; do
    case "$1" in
        --output-directory) output=$2 ;;
        --record | --provenance) echo '{}' >"$2" ;;
    esac
    shift
done
manifest=$(cat)
case "$manifest" in
    *etc/is-slow*) exec sleep 60 ;;
    *etc/is-large*) head -c 40000000 /dev/zero | tr '\0' 'x'; exit 0 ;;
    *etc/is-killed*) kill -9 $$ ;;
esac
sleep 0.3
mkdir -p "$output/archive"
head -c 4194304 /dev/urandom >"$output/archive/root.tar"
sum=$(sha256sum <"$output/archive/root.tar")
printf '%s' "${sum%% *}" >>"$output/archive/root.tar"
echo '{"type": "result", "success": true, "log": {}}'
