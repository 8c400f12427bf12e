# shellcheck shell=bash
# SPDX-License-Identifier: MPL-2.0
#
# ./dev matrix: the whole of ./dev test on each Debian that users have, built by that Debian's own compiler. Each stack
# is a root made by debootstrap; it sees the sources read-only and needs no network for crates. A run happens in mount
# and process namespaces of its own: however it ends, no mount and no process is left.

stacks=(bookworm trixie sid)
roots=$(realpath -m "${CODECWATCH_MATRIX_DIR:-.matrix}")

# What this machine's apt is told about Debian: its mirror, and that of its security suite.
find_mirrors() {
    local found
    # shellcheck disable=SC2016 # apt's own variables
    mirrors_known() {
        apt-get indextargets --format '$(LABEL) $(REPO_URI)' 'Created-By: Packages' | sort -u
    }
    found=$(mirrors_known)
    if [ -z "$found" ]; then
        apt_update
        found=$(mirrors_known)
    fi
    mirror=$(awk '$1 == "Debian" { print $2; exit }' <<<"$found")
    security_mirror=$(awk '$1 == "Debian-Security" { print $2; exit }' <<<"$found")
    [ -n "$mirror" ] || die "no Debian mirror among apt's sources"
    [ -n "$security_mirror" ] || security_mirror=${mirror%/}-security
}

# make_root STACK: with debootstrap, once
make_root() {
    local stack=$1 made=$roots/$1
    [ ! -e "$made/etc/debian_version" ] || return 0
    step "Making a root for $stack"
    find_mirrors
    as_root mkdir -p "$roots"
    # A root that was not finished has another name; it is made afresh.
    remove_root "$made.part"
    mkdir -p "$target/log"
    if ! as_root debootstrap --variant=minbase "$stack" "$made.part" "$mirror" >"$target/log/debootstrap.log" 2>&1; then
        tail -n 20 "$target/log/debootstrap.log" >&2
        die "debootstrap failed (all of it: $target/log/debootstrap.log)"
    fi
    {
        echo "deb $mirror $stack main"
        if [ "$stack" != sid ]; then
            echo "deb $mirror $stack-updates main"
            echo "deb $security_mirror $stack-security main"
        fi
    } | as_root tee "$made.part/etc/apt/sources.list" >/dev/null
    # The Release file of a mirror that is a copy may have run out.
    echo 'Acquire::Check-Valid-Until "false";' | as_root tee "$made.part/etc/apt/apt.conf.d/99codecwatch" >/dev/null
    as_root mv "$made.part" "$made"
}

# remove_root FOLDER: never through a mount
remove_root() {
    [ -e "$1" ] || return 0
    if grep -qF " $1/" /proc/self/mountinfo; then
        die "something is mounted in $1: unmount it first"
    fi
    as_root rm -rf --one-file-system "$1"
}

# The crates of Cargo.lock as sources, so that a root needs no registry.
vendor_crates() {
    local stamp=$roots/vendor/Cargo.lock
    cmp -s Cargo.lock "$stamp" && return
    step "Collecting the crates"
    as_root mkdir -p "$roots"
    rm -rf "$target/vendor"
    cargo vendor --quiet --locked --versioned-dirs "$target/vendor" >/dev/null
    as_root rm -rf --one-file-system "$roots/vendor"
    as_root cp -r "$target/vendor" "$roots/vendor"
    rm -rf "$target/vendor"
    as_root cp Cargo.lock "$stamp"
}

# enter_root ROOT SOURCES VENDOR COMMAND...: runs as root in fresh namespaces
enter_root() {
    local into=$1 sources=$2 vendor=$3
    shift 3
    mount -t proc proc "$into/proc"
    mount --rbind /dev "$into/dev"
    mount -t tmpfs tmpfs "$into/tmp"
    share_read_only() {
        mkdir -p "$into/$2"
        mount --bind "$1" "$into/$2"
        mount -o remount,bind,ro "$into/$2"
    }
    share_read_only "$sources" src/codecwatch
    share_read_only "$vendor" src/vendor
    cp -L /etc/resolv.conf "$into/etc/resolv.conf"
    mkdir -p "$into/var/tmp/codecwatch/cargo"
    cat >"$into/var/tmp/codecwatch/cargo/config.toml" <<'END'
[source.crates-io]
replace-with = "vendored"
[source.vendored]
directory = "/src/vendor"
END
    exec chroot "$into" /usr/bin/env -i \
        PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 TERM="${TERM:-dumb}" \
        CARGO_HOME=/var/tmp/codecwatch/cargo CARGO_NET_OFFLINE=true CARGO_TARGET_DIR=/var/tmp/codecwatch/target \
        GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*' "$@"
}

# in_namespaces ROOT ...: enter_root with these arguments, alone in that root. When this script ends, by whatever signal,
# unshare is killed; the first process inside ends with it, and with that one all others and the mounts.
in_namespaces() {
    local lock inside code=0
    exec {lock}<"$1"
    flock --nonblock "$lock" || die "another run is using $1"
    # shellcheck disable=SC2016 # expanded inside
    as_root setpriv --pdeathsig KILL unshare --mount --pid --fork --kill-child --propagation private \
        bash -euc "$(declare -f enter_root); enter_root \"\$@\"" _ "$@" {lock}<&- </dev/null &
    inside=$!
    trap 'as_root kill -KILL $inside; exit 130' INT TERM
    wait $inside || code=$?
    trap - INT TERM
    exec {lock}<&-
    return $code
}

# on_stack STACK ARGUMENT...: ./dev with these arguments
on_stack() {
    local into=$roots/$1
    make_root "$1"
    shift
    in_namespaces "$into" "$root" "$roots/vendor" /src/codecwatch/dev "$@"
}

# test_stack STACK: leaves summary.tsv and versions.tsv in $target/matrix/STACK
test_stack() {
    local stack=$1 into=$roots/$1 results=$target/matrix/$1 code=0
    rm -rf "$results"
    mkdir -p "$results"
    step "Testing on $stack"
    as_root rm -f "$into/var/tmp/codecwatch/target/"{summary,versions}.tsv
    on_stack "$stack" test || code=$?
    if ! cp "$into/var/tmp/codecwatch/target/"{summary,versions}.tsv "$results/" 2>/dev/null; then
        printf '\t?\n\t?\n\t?\n\t?\n' >"$results/versions.tsv"
        : >"$results/summary.tsv"
    fi
    if [ $code != 0 ] && ! awk -F'\t' '$3 > 0 { bad = 1 } END { exit !bad }' "$results/summary.tsv"; then
        printf 'run (exit code %d)\t0\t1\t0\n' $code >>"$results/summary.tsv"
    fi
}

# One table; fails when a stack has a failure.
print_matrix() {
    local stack table=$target/matrix/table.tsv
    step "Matrix"
    printf 'stack\tGStreamer\tSVT-AV1\tdav1d\tRust\tsuite\tpassed\tfailed\tskipped\n' >"$table"
    for stack; do
        awk -F'\t' -v stack="$stack" '
            reading_versions { versions = versions "\t" $2; next }
            { print stack versions "\t" $0; passed += $2; failed += $3; skipped += $4 }
            END { print stack versions "\tall\t" passed + 0 "\t" failed + 0 "\t" skipped + 0 }
        ' reading_versions=1 "$target/matrix/$stack/versions.tsv" reading_versions=0 "$target/matrix/$stack/summary.tsv"
    done >>"$table"
    awk -f scripts/table.awk "$table"
    awk -F'\t' 'NR > 1 && $8 > 0 { failed = 1 } END { exit failed }' "$table"
}

run_matrix() {
    local stack wanted=() instead
    while [ $# != 0 ] && [ "$1" != -- ]; do
        wanted+=("$1")
        shift
    done
    instead=("${@:2}")
    case "${wanted[*]:-all}" in
    clean)
        for stack in "${stacks[@]}"; do
            remove_root "$roots/$stack"
            remove_root "$roots/$stack.part"
        done
        remove_root "$roots/vendor"
        return
        ;;
    all) wanted=("${stacks[@]}") ;;
    esac
    for stack in "${wanted[@]}"; do
        [[ " ${stacks[*]} " == *" $stack "* ]] || die "no stack is named '$stack': there are ${stacks[*]}"
    done
    need debootstrap git
    need_rust
    vendor_crates
    if [ ${#instead[@]} != 0 ]; then
        for stack in "${wanted[@]}"; do
            step "./dev ${instead[*]} on $stack"
            on_stack "$stack" "${instead[@]}"
        done
        return
    fi
    for stack in "${wanted[@]}"; do
        test_stack "$stack"
    done
    print_matrix "${wanted[@]}"
}
