# shellcheck shell=bash
# SPDX-License-Identifier: MPL-2.0
#
# The engine in tests/drive: scenarios around an element, each in a process of its own.

build_drive() {
    need_rust
    need "${packages_to_build[@]}" "${packages_to_run[@]}"
    build_plugins dev
    build_shim
}

# The whole fault matrix, and the page about it; or the cells whose names have these words.
run_faults() {
    build_drive
    if [ $# = 0 ]; then
        "$target/debug/drive" matrix --facts "$target/faults.jsonl" --docs docs
    else
        "$target/debug/drive" matrix --facts "$target/faults.jsonl" -- "$@"
    fi
}

# Random scenarios for as long as asked.
run_soak() {
    build_drive
    exec "$target/debug/drive" soak "$@"
}

# One scenario, as the fault matrix and the soak print it.
run_replay() {
    build_drive
    exec "$target/debug/drive" replay "$*"
}
