#!/usr/bin/env bash
# Builds one image from Debian packages, where no container registry can be reached:
#
#     build.sh TAG PACKAGE...          for example: build.sh workshop/redis:8 redis-server
#
# mmdebstrap makes a minimal Debian with these packages, and `docker import` makes an image of it. Needs Docker, and root on a
# Debian or Ubuntu; DEBIAN_MIRROR names another mirror. Names, tags and packages stand in ../src/image.rs, which calls this.
# Nothing is configured here: the testbed starts each server by its own program and flags, as it does on any other image.
set -euo pipefail

SUITE=trixie
MIRROR=${DEBIAN_MIRROR:-http://deb.debian.org/debian}

[ $# -ge 2 ] || { echo "usage: build.sh TAG PACKAGE..." >&2; exit 2; }
tag=$1
shift
packages=$(IFS=,; echo "$*")

if ! command -v mmdebstrap >/dev/null; then
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        echo "mmdebstrap is not installed; on Debian or Ubuntu: sudo apt-get install mmdebstrap" >&2
        exit 3
    fi
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq mmdebstrap debian-archive-keyring >&2
fi

# A broken pipe must not leave half an image behind: first the whole archive, then the import.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

options=(
    --variant=minbase
    --include="$packages"
    --aptopt='APT::Install-Recommends "false"'
    --aptopt='Acquire::Languages "none"'
    --aptopt='Acquire::Retries "3"'
    # Nobody reads manuals in a container.
    --dpkgopt='path-exclude=/usr/share/man/*'
    --dpkgopt='path-exclude=/usr/share/doc/*'
    --dpkgopt='path-exclude=/usr/share/locale/*'
    # The archive is thrown away if the machine stops, so nothing has to be on the disk in between.
    --dpkgopt='force-unsafe-io'
    # Debian's package would make a database cluster of its own at once.
    --essential-hook='mkdir -p "$1/etc/postgresql-common" && echo "create_main_cluster = false" > "$1/etc/postgresql-common/createcluster.conf"'
    --customize-hook='rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/* "$1"/var/log/*'
)
mmdebstrap --quiet "${options[@]}" "$SUITE" "$work/root.tar" "$MIRROR" >&2
docker import \
    --change 'ENV PATH=/usr/lib/postgresql/17/bin:/usr/lib/rabbitmq/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
    --change 'ENV LANG=C.UTF-8' \
    --change 'LABEL org.scalability-workshop=image' \
    "$work/root.tar" "$tag" >/dev/null
