# shellcheck shell=bash
# SPDX-License-Identifier: MPL-2.0
#
# Fuzzing by hand, for as long as asked. ./dev test does a little of it.

run_fuzz() {
    local seconds=600
    case ${1:-}:${2:-}:$# in
    protocol::1) ;;
    protocol:--seconds:3) seconds=$3 ;;
    *) die "usage: ./dev fuzz protocol [--seconds N]" ;;
    esac
    need_rust
    need "${packages_to_build[@]}"
    step "The protocol, $((seconds / 2)) s"
    cargo run --locked --release -p codecwatch-process --example fuzz $((seconds / 2))
    step "What chains say in it, $((seconds - seconds / 2)) s"
    CODECWATCH_FUZZ_SECONDS=$((seconds - seconds / 2)) cargo test --locked --release -p codecwatch-hosted --lib \
        whatever_a_child_says -- --nocapture
    step "The names in it, $((seconds / 10)) s"
    CODECWATCH_FUZZ_SECONDS=$((seconds / 10)) cargo test --locked --release -p codecwatch-hosted --lib \
        the_parser_finds -- --nocapture
}
