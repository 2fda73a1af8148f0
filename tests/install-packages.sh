#!/bin/sh
# Installs the Debian packages of the servers that the tests talk to, where one is missing. Debian would start what it
# installs, beside servers that may run here already; a policy-rc.d forbids that for the time of the install.
set -eu
# With the word "bench", also the peers that the bench measures against.
missing=""
peers=""
if [ "${1:-}" = bench ]; then
    peers="/usr/bin/mawk mawk
/usr/bin/goaccess goaccess
/usr/bin/calamaris calamaris
/usr/bin/wrk wrk"
fi
while read -r program package; do
    [ -n "$program" ] || continue
    # shellcheck disable=SC2086 - a pattern
    set -- $program
    [ -e "$1" ] || missing="$missing $package"
done <<LIST
/usr/sbin/slapd slapd
/usr/bin/ldapsearch ldap-utils
/usr/bin/openssl openssl
/usr/sbin/samba samba-ad-dc
/usr/bin/samba-tool samba
/usr/share/samba/setup/aggregate_schema.ldif samba-ad-provision
/usr/lib/*/samba/ldb/samba_dsdb.so samba-dsdb-modules
/usr/lib/*/samba/vfs/acl_xattr.so samba-vfs-modules
/usr/sbin/winbindd winbind
/usr/sbin/cupsd cups
/usr/bin/lp cups-client
/usr/share/ppd/cupsfilters/Generic-PDF_Printer-PDF.ppd cups-filters
/usr/bin/ipptool cups-ipp-utils
/usr/bin/gs ghostscript
/usr/bin/dbus-daemon dbus
/usr/sbin/squid squid
/usr/bin/ss iproute2
/usr/sbin/freeradius freeradius
/usr/lib/freeradius/rlm_rest.so freeradius-rest
/usr/bin/radclient freeradius-utils
/usr/bin/redis-server redis-server
/usr/lib/postgresql/*/bin/postgres postgresql
/usr/bin/chromium chromium
/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf fonts-dejavu-core
/usr/bin/Xvfb xvfb
/usr/bin/xdotool xdotool
/usr/bin/openbox openbox
$peers
LIST
# The desktop client's window is Tk's. Debian's Python has it in a package of its own; others bring it along.
.venv/bin/python -c "import tkinter" 2>/dev/null || missing="$missing python3-tk"
[ -n "$missing" ] || exit 0
echo "The tests need these Debian packages:$missing"
sudo=""
if [ "$(id -u)" -ne 0 ]; then
    sudo=$(command -v sudo) || {
        echo "Install them as root: apt-get install --no-install-recommends$missing" >&2
        exit 1
    }
fi
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' | $sudo tee $policy >/dev/null
    $sudo chmod 755 $policy
    trap '$sudo rm -f $policy' EXIT INT TERM
fi
export DEBIAN_FRONTEND=noninteractive
$sudo apt-get -o DPkg::Lock::Timeout=900 update -qq
# shellcheck disable=SC2086 - a list
$sudo apt-get -o DPkg::Lock::Timeout=900 install -y -qq --no-install-recommends $missing >/dev/null
