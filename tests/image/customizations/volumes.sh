#!/bin/bash
# Looks at the volumes of volumes.toml from inside of the system.
. /usr/local/lib/is.sh

volume() { lvs --noheadings --units m -o vg_name,lv_size "system/$1" 2>&1 | xargs; }
mounted() { findmnt -no SOURCE,FSTYPE,LABEL "$1" | xargs; }

is hostname volumes "$(uname -n)"
is root.size "system 2048.00m" "$(volume root)"
is root "/dev/mapper/system-root ext4 root" "$(mounted /)"
is data.size "system 600.00m" "$(volume data)"
is data "/dev/mapper/system-data xfs data" "$(mounted /srv/data)"
is pages.size "system 256.00m" "$(volume pages)"
is pages "partition 262140" "$(awk 'NR > 1 { print $2, $3 }' /proc/swaps)"
is boot "/dev/vda2 ext4 boot" "$(mounted /boot)"
is group.size "$((5 * 1024 - 1 - 1 - 500 - 1))" "$(($(lsblk -bno SIZE /dev/vda3 | head -1) >> 20))"

echo "OSBUILD-WASM-BOOT-OK $(uname -r)"
