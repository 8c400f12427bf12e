# shellcheck shell=bash
# SPDX-License-Identifier: MPL-2.0
#
# The checks that run no test. Each is a part of the suite "lint" in the summary.

checks_passed=0 checks_failed=() checks_skipped=0

# check NAME COMMAND...
check() {
    local name=$1
    shift
    step "$name"
    if "$@"; then
        checks_passed=$((checks_passed + 1))
    else
        checks_failed+=("$name")
        printf '%s%s%s\n' "$red" "failed: $name" "$plain"
    fi
}

# skip NAME WHY: what cannot run on a developer's machine does not stop there; CI has to have it, unless it is optional.
skip() {
    step "$1"
    echo "skipped: $2"
    if [ "${CI:-}" = true ] && [ "${3:-}" != optional ]; then
        checks_failed+=("$1")
    else
        checks_skipped=$((checks_skipped + 1))
    fi
}

# The parts in scripts/ are checked as ./dev reads them, together.
shell_scripts_are_clean() {
    local script scripts=()
    while read -r script; do
        if [ -f "$script" ] && head -n 1 "$script" | grep -qE '^#!.*\b(ba)?sh$'; then
            scripts+=("$script")
        fi
    done < <(git ls-files)
    shellcheck --external-sources --check-sourced "${scripts[@]}"
}

licence_is_named() {
    local file without=no
    while read -r file; do
        if [ -f "$file" ] && ! head -n 4 "$file" | grep -q 'SPDX-License-Identifier: MPL-2.0'; then
            echo "no SPDX line: $file"
            without=yes
        fi
    done < <(git ls-files '*.rs' '*.c' '*.h' '*.sh')
    [ $without = no ]
}

# With the feature `rehearse` a variable of the environment makes a worker panic.
users_rehearse_nothing() {
    local features
    features=$(cargo tree --locked --edges normal,features --invert codecwatch-supervisor \
        "${packages_of_users[@]/#/--package=}") || return
    ! grep '"rehearse"' <<<"$features"
}

lint() {
    if cargo fmt --version >/dev/null 2>&1; then
        check Formatting cargo fmt --all --check
    else
        skip Formatting "rustfmt is not installed"
    fi
    if cargo clippy --version >/dev/null 2>&1; then
        check Clippy cargo clippy --workspace --all-targets --locked -- -D warnings
    else
        skip Clippy "clippy is not installed"
    fi
    check Documentation env RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --locked
    check 'Features of installed builds' users_rehearse_nothing
    if git rev-parse --git-dir >/dev/null 2>&1; then
        check 'Shell scripts' shell_scripts_are_clean
        check 'Licence headers' licence_is_named
    else
        skip 'Shell scripts' 'not a git checkout' optional
        skip 'Licence headers' 'not a git checkout' optional
    fi
    if cargo deny --version >/dev/null 2>&1; then
        check Dependencies cargo deny --offline check bans licenses sources
    else
        skip Dependencies "cargo-deny is not installed" optional
    fi
    record lint $checks_passed ${#checks_failed[@]} $checks_skipped
}

run_lint() {
    need_to_test
    start_summary
    lint
    end_summary
}
