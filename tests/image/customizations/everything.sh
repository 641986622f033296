#!/bin/bash
# Looks at each customization of everything.toml from inside of the system, and says a line about it: ok or not, its name, what is there.

. /usr/local/lib/is.sh

# All lines of a file that match, as one.
lines() { grep -hE "$1" "$2" 2>&1 | paste -sd ' '; }

account() { getent passwd "$1" | cut -d: -f "$2"; }

# A field of an account that is secret.
secret() { grep "^$1:" /etc/shadow | cut -d: -f "$2"; }

# Kind of a file system, and bytes of its device.
mounted() { echo "$(findmnt -no FSTYPE "$1") $(lsblk -bno SIZE "$(findmnt -no SOURCE "$1")")"; }

one_line() { tr '\n' ' ' | sed 's/ $//'; }

is packages "tmux 3.3a" "$(tmux -V)"
is hostname customized.example.org "$(uname -n)"
is kernel.append "customized=yes audit=0" "$(grep -oE '(customized|audit)=\w+' /proc/cmdline | one_line)"
is timezone.timezone EST "$(date -d 2027-01-01 +%Z)"
is timezone.ntpservers "server one.ntp.example.org iburst server two.ntp.example.org iburst" "$(chronyd -p -f /etc/chrony.conf | grep ^server | one_line)"
is locale.languages LANG=de_DE.UTF-8 "$(lines . /etc/locale.conf)"
is locale.keyboard de-latin1 "$(. /etc/vconsole.conf && echo "$KEYMAP")"

is sshkey root@example.org "$(awk '{ print $3 }' /root/.ssh/authorized_keys)"
is group builders "$(getent group 1500 | cut -d: -f 1)"
is user.uid 1501 "$(account ada 3)"
is user.gid 1500 "$(account ada 4)"
is user.description "Ada Lovelace" "$(account ada 5)"
is user.home /srv/ada "$(account ada 6)"
is user.home.owner "ada builders" "$(stat -c '%U %G' /srv/ada)"
is user.shell /usr/bin/tmux "$(account ada 7)"
is user.groups "audio builders wheel" "$(id -nG ada | tr ' ' '\n' | sort | one_line)"
is user.key "ssh-ed25519 ada@example.org" "$(awk '{ print $1, $3 }' /srv/ada/.ssh/authorized_keys)"
is user.key.mode "700 ada 600 ada" "$(stat -c '%a %U' /srv/ada/.ssh /srv/ada/.ssh/authorized_keys | one_line)"
is user.password.hash '$6$customized$' "$(secret ada 2 | grep -o '^$6$[a-z]*\$')"
is user.password.plain '$6$' "$(secret bob 2 | grep -o '^$6\$')"
is user.expiredate 40000 "$(secret ada 8)"
is user.force_password_reset 0 "$(secret bob 3)"
is user.home.usual /home/bob "$(account bob 6)"

is services.enabled "enabled active" "$(systemctl is-enabled customized.service) $(systemctl is-active systemd-logind.service)"
is services.disabled "disabled inactive" "$(systemctl is-enabled getty@tty1.service) $(systemctl is-active getty@tty1.service)"
is services.masked masked "$(systemctl is-enabled debug-shell.service)"

zone() { sed -n 's/^ *<\(port\|service\|source\) \(.*\)\/>$/\2/p' "/etc/firewalld/zones/$1.xml" | sort | tr -d '"' | one_line; }
is firewall.ports "port=500-600 protocol=udp port=8080 protocol=tcp" "$(zone public | grep -o 'port=.*tcp')"
is firewall.services "name=http name=ssh" "$(zone public | grep -o 'name=.*ssh')"
is firewall.zones.internal "address=192.0.2.0/24 address=2001:db8::/32" "$(zone internal | grep -oE 'address=.*32')"
is firewall.zones.new address=198.51.100.7 "$(zone office)"

is filesystem./srv "ext4 $((1100 << 20))" "$(mounted /srv)"
is filesystem./var/log "ext4 $((1024 << 20))" "$(mounted /var/log)"
is filesystem./ "ext4 $((1280 << 20))" "$(mounted /)"
is filesystem.fstab "/ /srv /var/log" "$(awk '/^UUID/ { print $2 }' /etc/fstab | sort | one_line)"

is directories "750 ada builders 755 root root" "$(stat -c '%a %U %G' /etc/customized/inner /etc/customized | one_line)"
is files.data "first second: ä €" "$(one_line </etc/customized/inner/owned)"
is files.owner "640 bob builders" "$(stat -c '%a %U %G' /etc/customized/inner/owned)"
is files.uri "755 root root" "$(stat -c '%a %U %G' /usr/local/bin/look)"
is firstboot "greeted gone" "$(cat /var/local/greeted) $(test -e /var/local/osbuild-first-boot/.run || echo gone)"

repository() { sed -n "/^\[$1\]/,/^\[/p" "/etc/yum.repos.d/$2.repo" | sed -n "s/^$3 *= *//p"; }
is repositories.baseurl 'https://packages.example.org/extra/$releasever' "$(repository extra more baseurl)"
is repositories.options "More packages 1 0 0 7 1" "$(for key in name gpgcheck repo_gpgcheck enabled priority sslverify; do repository extra more $key; done | one_line)"
is repositories.gpgkeys.file 644 "$(stat -c %a "$(repository extra more gpgkey | sed 's/^file:\/\///')")"
is repositories.gpgkeys A48E80D421CA6CCBD98A1B827FDF8D36D4C3CA4B "$(rpmkeys --define '_pkgverify_level none' --dbpath /run/keys --import /etc/pki/rpm-gpg/RPM-GPG-KEY-extra-0 && rpm --dbpath /run/keys -q gpg-pubkey --qf '%{version}' | sed 's/^d4c3ca4b$/A48E80D421CA6CCBD98A1B827FDF8D36D4C3CA4B/')"
is repositories.metalink "https://packages.example.org/metalink 1" "$(for key in metalink module_hotfixes; do repository mirrored mirrored $key; done | one_line)"
is rpm.import_keys a1f5a2cd "$(rpm -q gpg-pubkey --qf '%{version}\n' | grep a1f5a2cd)"

anchor=$(ls /etc/pki/ca-trust/source/anchors)
is cacerts.anchor 4d2e17f38dfb5878198a51d05c910cdbb3004c75.pem "${anchor,,}"
is cacerts.list "# Customized Root CA" "$(lines '^# Customized' /etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem)"

mkdir -p /run/sshd
ssh-keygen -q -t ed25519 -N '' -f /run/host_key
is sshd "clientaliveinterval 99 kbdinteractiveauthentication no passwordauthentication yes permitrootlogin without-password" \
    "$(sshd -T -h /run/host_key 2>&1 | grep -E '^(passwordauth|clientaliveint|permitroot|kbdinter)' | sort | one_line)"

echo "OSBUILD-WASM-BOOT-OK $(uname -r)"
