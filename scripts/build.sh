# shellcheck shell=bash
# SPDX-License-Identifier: MPL-2.0
#
# Building, and the environment in which what was built runs. GStreamer gets a registry of its own, so that nothing in
# the user's home changes and no plugin installed there is mistaken for the one just built.

shim=$target/rehearse/librehearse.so

# What users get.
packages_of_users=(gst-plugin-codecwatch gst-plugin-dav1dwatch gst-plugin-svtav1watch codecwatch-worker
    codecwatch-transcode)

# build_plugins dev|release|install: for tests (with them, so that nothing is built twice), for rehearsals and
# benchmarks, or for users. Only the last is without the feature `rehearse`, which the tests ask for; it has a folder of
# its own, because cargo does not notice that a plugin was replaced by one with other features.
build_plugins() {
    local profile=$1 folder=${1/dev/debug} built plugin
    built=$target/$folder
    step "Building ($profile)"
    case $profile in
    dev) cargo build --workspace --locked --all-targets ;;
    release) cargo build --workspace --locked --release ;;
    install)
        built=$target/install/release
        cargo build "${packages_of_users[@]/#/--package=}" --locked --release --target-dir "$target/install"
        ! grep --files-with-matches CODECWATCH_REHEARSE "$built"/libgst*.so "$built"/codecwatch-worker \
            "$built"/codecwatch-transcode || die "built with the feature 'rehearse', which is not for users"
        ;;
    esac

    # A folder with the plugins alone: GStreamer searches folders to the bottom, and cargo keeps much else there.
    plugins=$target/gstreamer/$folder
    mkdir -p "$plugins"
    rm -f "$plugins"/*.so
    for plugin in "$built"/libgst*.so; do
        [ ! -e "$plugin" ] || ln -s "$plugin" "$plugins/"
    done
    # What codecwatch runs to find hardware codecs, and what isolated sessions run in.
    ln -sf "$built/codecwatch-hardware" "$built/codecwatch-worker" "$plugins/"

    export GST_PLUGIN_PATH=$plugins
    export GST_REGISTRY=$target/gstreamer/registry-$folder.bin
    export CODECWATCH_PLUGIN_DIR=$plugins
    export CODECWATCH_MEDIA=$root/tests/media
}

# Compiles the fault shim where it is older than its sources.
build_shim() {
    export CODECWATCH_SHIM=$shim
    if [ ! -e "$shim" ] || [ -n "$(find tests/shims -newer "$shim" -print -quit)" ]; then
        tests/shims/build "$shim"
    fi
}

# has_element NAME (--exists would want plugins to be as new as GStreamer)
has_element() {
    gst-inspect-1.0 "$1" >/dev/null 2>&1
}

run_rehearse() {
    local script=${1:-}
    if [ -z "$script" ] || [ "${2:-}" != -- ] || [ $# -lt 3 ]; then
        die "usage: ./dev rehearse SCRIPT -- COMMAND... (tests/shims/README.md)"
    fi
    shift 2
    need_rust
    need "${packages_to_build[@]}" "${packages_to_run[@]}"
    build_plugins release
    build_shim
    cd "$here"
    exec env CODECWATCH_REHEARSE="$script" LD_PRELOAD="$shim${LD_PRELOAD:+:$LD_PRELOAD}" "$@"
}

# Each benchmark is a program in tests/bench that says for itself what it measured.
run_bench() {
    local bench name found=no
    need_rust
    need "${packages_to_build[@]}" "${packages_to_run[@]}" "${packages_to_test[@]}"
    build_plugins release
    cargo build -p codecwatch-tests --examples --locked --release
    build_shim
    for bench in tests/bench/*; do
        name=$(basename "$bench")
        if [ -f "$bench" ] && [ -x "$bench" ] && { [ $# = 0 ] || [[ " $* " == *" ${name%.*} "* ]]; }; then
            found=yes
            step "Benchmark ${name%.*}"
            "$bench"
        fi
    done
    [ $found = yes ] || die "no benchmark is named '$*': tests/bench has them"
}
