#!/usr/bin/env bash
# Builds one image from Debian packages, where no container registry can be reached:
#
#     build.sh TAG PACKAGE...          for example: build.sh workshop/redis:8 redis-server
#
# mmdebstrap makes a minimal Debian with these packages; `docker import` makes an image of it. Needs
# Docker, and root on Debian or Ubuntu. DEBIAN_MIRROR sets another mirror. ../src/docker/image.rs calls
# this with names, tags and packages. The image has no configuration: the testbed starts each server
# with its own program and flags.
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

# A failed download must not leave half an image: first the whole archive, then the import.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

options=(
    --variant=minbase
    --include="$packages"
    --aptopt='APT::Install-Recommends "false"'
    --aptopt='Acquire::Languages "none"'
    --aptopt='Acquire::Retries "3"'
    # A container needs no manuals.
    --dpkgopt='path-exclude=/usr/share/man/*'
    --dpkgopt='path-exclude=/usr/share/doc/*'
    --dpkgopt='path-exclude=/usr/share/locale/*'
    # The archive is temporary, so it needs no flush to the disk (fsync).
    --dpkgopt='force-unsafe-io'
    # The package must not create a database cluster when it is installed.
    --essential-hook='mkdir -p "$1/etc/postgresql-common" && echo "create_main_cluster = false" > "$1/etc/postgresql-common/createcluster.conf"'
    --customize-hook='rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/* "$1"/var/log/*'
)
mmdebstrap --quiet "${options[@]}" "$SUITE" "$work/root.tar" "$MIRROR" >&2
docker import \
    --change 'ENV PATH=/usr/lib/postgresql/17/bin:/usr/lib/rabbitmq/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
    --change 'ENV LANG=C.UTF-8' \
    --change 'LABEL org.scalability-workshop=image' \
    "$work/root.tar" "$tag" >/dev/null
