# shellcheck shell=bash
# SPDX-License-Identifier: MPL-2.0
#
# What has to be on the machine. Only what is missing is installed, and it is named first.

# libva-dev is for a part of the tests that the whole workspace has.
packages_to_build=(gcc libc6-dev pkg-config ca-certificates libclang-dev libgstreamer1.0-dev
    libgstreamer-plugins-base1.0-dev libsvtav1enc-dev libdav1d-dev libva-dev)
packages_to_run=(gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad)
# umockdev has a GPU; the last three have codecs to host and a player.
packages_to_test=(svt-av1 dav1d aom-tools curl git shellcheck python3-gi gir1.2-gstreamer-1.0 python3-venv umockdev
    gstreamer1.0-plugins-ugly gstreamer1.0-libav gstreamer1.0-plugins-base-apps)
# For the page of the health service, in a browser, and a cluster for a job in parts.
packages_to_test_long=(chromium fonts-dejavu-core slurm-wlm munge)

# at_least VERSION MINIMUM
at_least() {
    [ "$(printf '%s\n' "$1" "$2" | sort -V | head -n 1)" = "$2" ]
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "this needs root, and there is no sudo: $*"
    fi
}

is_installed() {
    [[ $(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null) == installed ]]
}

# The version that apt would install; nothing if it knows none.
candidate() {
    apt-cache policy "$1" 2>/dev/null | awk '$1 == "Candidate:" && $2 != "(none)" { print $2 }'
}

apt_is_fresh=no
apt_update() {
    [ $apt_is_fresh = no ] || return 0
    apt_logged update
    apt_is_fresh=yes
}

# apt_logged ARGUMENTS...: apt-get, heard of only when it fails
apt_logged() {
    local log=$target/log/apt.log
    mkdir -p "${log%/*}"
    if ! as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o Dpkg::Use-Pty=0 "$@" >"$log" 2>&1 </dev/null; then
        tail -n 20 "$log" >&2
        die "apt-get $1 failed (all of it: $log)"
    fi
}

# need PACKAGE...: installs those that are not installed. Removes nothing.
need() {
    local package missing=()
    if ! command -v apt-get >/dev/null; then
        echo "No apt here: the equivalents of these packages have to be installed: $*"
        return
    fi
    for package; do
        is_installed "$package" || missing+=("$package")
    done
    [ ${#missing[@]} != 0 ] || return 0
    step "Installing with apt: ${missing[*]}"
    apt_update
    apt_logged install -y --no-install-recommends --no-remove "${missing[@]}"
}

# What checks the Kubernetes manifests, with the schemas of all versions, and the metrics: from PyPI, into an environment
# of its own. The tests that use it say so where it could not be had.
checkers=(kubernetes-validate==1.37.0 prometheus-client==0.26.0)
need_checkers() {
    local folder=$target/checkers log=$target/log/checkers.log
    export CODECWATCH_CHECKERS=$folder
    [ "$(cat "$folder/installed" 2>/dev/null)" != "${checkers[*]}" ] || return 0
    step "Installing with pip: ${checkers[*]}"
    mkdir -p "${log%/*}"
    if python3 -m venv "$folder" >"$log" 2>&1 && "$folder/bin/pip" install --quiet "${checkers[@]}" >>"$log" 2>&1; then
        echo "${checkers[*]}" >"$folder/installed"
    else
        echo "They could not be installed (why: $log): manifests and metrics are not checked with them."
    fi
}

# ---- Rust

rust_needed() {
    sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml
}

# rust_version [FOLDER/]: of the rustc there, or in PATH; nothing when it does not work
rust_version() {
    "${1:-}cargo" --version >/dev/null 2>&1 && "${1:-}rustc" --version 2>/dev/null | awk '{ print $2 }'
}

use_rust() {
    local needed version
    needed=$(rust_needed)
    version=$(rust_version || true)
    if [ -n "$version" ] && at_least "$version" "$needed"; then
        return 0
    fi
    version=$(rust_version ~/.cargo/bin/ || true)
    if [ -n "$version" ] && at_least "$version" "$needed"; then
        PATH=~/.cargo/bin:$PATH
        return 0
    fi
    return 1
}

need_rust() {
    use_rust && return
    local needed offered='' compiler version
    needed=$(rust_needed)
    command -v apt-get >/dev/null || die "Rust $needed or newer is needed: install it with rustup, then run this again"
    apt_update
    # Stable Debian keeps a newer compiler beside its own, for web browsers.
    for compiler in rustc rustc-web; do
        version=$(candidate $compiler)
        [ -n "$version" ] || continue
        offered+=" $compiler ${version%%[+-]*}"
        if at_least "${version%%[+-]*}" "$needed"; then
            if [ $compiler = rustc-web ] && is_installed rustc; then
                die "Debian's rustc is in the way of its newer rustc-web: apt-get install rustc-web cargo-web replaces it"
            fi
            need $compiler "${compiler/rustc/cargo}"
            hash -r
            use_rust && return
        fi
    done
    die "Rust $needed or newer is needed, apt offers:${offered:- none} (on Debian the security suite has it);" \
        "install it with rustup, then run this again"
}

# The formatter and the linter that belong to Debian's compiler. Another compiler brings its own.
need_rust_tools() {
    local package available=()
    if is_installed rustc-web; then
        set -- rustfmt-web rust-web-clippy
    elif is_installed rustc && [ "$(command -v rustc)" = /usr/bin/rustc ]; then
        set -- rustfmt rust-clippy
    else
        return 0
    fi
    for package; do
        [ -z "$(candidate "$package")" ] || available+=("$package")
    done
    need "${available[@]}"
}
