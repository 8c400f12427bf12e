# shellcheck shell=bash
# SPDX-License-Identifier: MPL-2.0
#
# ./dev test: every check and every test, and a summary that adds up. A test that needs what is not there appends a line
# "suite: why" to the file $CODECWATCH_SKIPS and returns; it is counted as skipped, not as passed.

summary=$target/summary.tsv   # suite, passed, failed, skipped
versions=$target/versions.tsv # component, version

need_to_test() {
    need_rust
    need "${packages_to_build[@]}" "${packages_to_run[@]}" "${packages_to_test[@]}"
    need_rust_tools
}

# free_space FOLDER, in MB
free_space() {
    df --output=avail -BM "$1" | tail -n 1 | tr -dc '0-9'
}

# A disk that fills up fails tests in ways that do not name it: what is free is said before and after them.
say_free_space() {
    printf 'Free on disk: %d MB in %s, %d MB in %s\n' "$(free_space "$target")" "$target" \
        "$(free_space "${TMPDIR:-/tmp}")" "${TMPDIR:-/tmp}"
}

# The longest of the tests write 300 MB at once, and two of them run at a time.
check_free_space() {
    say_free_space
    if [ "$(free_space "${TMPDIR:-/tmp}")" -lt 1000 ]; then
        die "the tests write up to 1000 MB into ${TMPDIR:-/tmp}: free some, or set TMPDIR"
    fi
}

start_summary() {
    mkdir -p "$target/log"
    : >"$summary"
    {
        printf 'GStreamer\t%s\n' "$(pkg-config --modversion gstreamer-1.0)"
        printf 'SVT-AV1\t%s\n' "$(pkg-config --modversion SvtAv1Enc)"
        printf 'dav1d\t%s\n' "$(pkg-config --modversion dav1d)"
        printf 'Rust\t%s\n' "$(rust_version)"
    } >"$versions"
    # A critical message of GLib says that a function was misused: it ends the process, and the test fails.
    export G_DEBUG=fatal-criticals
    export CODECWATCH_SKIPS=$target/log/skips
    : >"$CODECWATCH_SKIPS"
}

# record SUITE PASSED FAILED SKIPPED
record() {
    printf '%s\t%d\t%d\t%d\n' "$@" >>"$summary"
}

# Prints the summary; its closing line counts everything. Fails when something failed.
end_summary() {
    step "Summary"
    say_free_space
    awk -F'\t' '{ printf "%s%s %s", between, $1, $2; between = ", " } END { print "" }' "$versions"
    awk -F'\t' -v failed_checks="$(IFS=,; echo "${checks_failed[*]}")" '
        { printf "%-40s %5d passed %5d failed %5d skipped\n", $1, $2, $3, $4; p += $2; f += $3; s += $4 }
        END {
            if (failed_checks != "") print "failed checks: " failed_checks
            printf "%d passed, %d failed, %d skipped\n", p, f, s
            exit f > 0 || p == 0
        }' "$summary"
}

# Reads what `cargo test` wrote and prints suite, passed, failed, skipped. A suite that died before it could count is
# one failure.
count_cargo_test() {
    awk '
        function finish() { if (suite != "") { print suite "\t0\t1\t0"; suite = "" } }
        / Running .*\(.*\)$/ { finish(); suite = $NF; gsub(/.*\/|-[0-9a-f]+\)$/, "", suite) }
        / Doc-tests / { finish(); suite = $NF " (docs)" }
        /^test result: / {
            match($0, /[0-9]+ passed/); p = substr($0, RSTART) + 0
            match($0, /[0-9]+ failed/); f = substr($0, RSTART) + 0
            match($0, /[0-9]+ ignored/); s = substr($0, RSTART) + 0
            if (p + f + s > 0) print suite "\t" p "\t" f "\t" s
            suite = ""
        }
        END { finish() }' "$1"
}

# The same from the report that nextest wrote, and from its closing line, which alone knows the skipped (and counts
# those among them whose name was not asked for).
count_nextest() {
    awk '
        function value(key) {
            if (!match($0, " " key "=\"[^\"]*\"")) return ""
            return substr($0, RSTART + length(key) + 3, RLENGTH - length(key) - 4)
        }
        /<testsuite / {
            suite = value("name"); gsub(/.*::(bin\/)?/, "", suite); gsub(/-/, "_", suite)
            f = value("failures") + value("errors")
            print suite "\t" value("tests") - f "\t" f "\t" value("disabled") + 0
        }' "$1"
    awk '
        /Summary \[/ && match($0, /[0-9]+ skipped/) && (n = substr($0, RSTART) + 0) > 0 { print "ignored tests\t0\t0\t" n }
    ' "$2"
}

# Tests that took the way out through $CODECWATCH_SKIPS were reported as passed.
move_skips() {
    awk -F'\t' '
        reading_skips { sub(/:.*/, ""); skipped[$0]++; next }
        { s = $1 in skipped ? skipped[$1] : 0; if (s > $2) s = $2; print $1 "\t" $2 - s "\t" $3 "\t" $4 + s }
    ' reading_skips=1 "$CODECWATCH_SKIPS" reading_skips=0 -
}

# cargo_tests LONG [NAME...]: LONG=yes runs those that take minutes, too
cargo_tests() {
    local profile=default ignored=() bound=30m
    if [ "$1" = yes ]; then
        profile=long bound=3h
    fi
    shift
    # nextest writes below the workspace, whatever cargo's target folder is.
    local report=$root/target/nextest/$profile/junit.xml
    local log=$target/log/tests.txt doc_log=$target/log/doctests.txt code=0 docs=0
    step "Tests"
    if cargo nextest --version >/dev/null 2>&1; then
        rm -f "$report"
        [ $profile = default ] || ignored=(--run-ignored all)
        cargo nextest run --profile $profile --workspace --locked --no-fail-fast --no-tests pass \
            "${ignored[@]}" "$@" 2>&1 | tee "$log" || code=$?
        if [ $# = 0 ]; then
            cargo test --workspace --locked --doc --no-fail-fast 2>&1 | tee "$doc_log" || docs=$?
        else
            : >"$doc_log"
        fi
        [ $# = 0 ] || log=/dev/null
        counts=$({ [ ! -e "$report" ] || count_nextest "$report" "$log"; count_cargo_test "$doc_log"; } | move_skips)
    else
        # Without nextest nothing ends a test that hangs: all of them have one bound.
        [ $profile = default ] || ignored=(--include-ignored)
        timeout --kill-after=10s $bound \
            cargo test --workspace --locked --no-fail-fast -- "${ignored[@]}" "$@" 2>&1 | tee "$log" || code=$?
        counts=$(count_cargo_test "$log" | move_skips)
    fi
    [ -z "$counts" ] || printf '%s\n' "$counts" >>"$summary"
    sed 's/^/skipped: /' "$CODECWATCH_SKIPS"
    # What does not even build is in no report.
    if [ $((code + docs)) != 0 ] && ! awk -F'\t' '$3 > 0 { bad = 1 } END { exit !bad }' <<<"$counts"; then
        record 'build of the tests' 0 1 0
    fi
}

shim_tests() {
    local log=$target/log/shim.txt counts passed failed skipped
    step "Tests of the fault shim"
    { tests/shims/test 2>&1 || true; } | tee "$log"
    # Its last line counts. Without one it did not come to its end.
    counts=$(tail -n 1 "$log" | tr -dc '0-9 ')
    read -r passed failed skipped <<<"$counts"
    record shim "${passed:-0}" "${failed:-1}" "${skipped:-0}"
}

run_test() {
    local long=no
    if [ "${1:-}" = --long ]; then
        long=yes
        shift
    fi
    need_to_test
    need_checkers
    [ $long = no ] || need "${packages_to_test_long[@]}"
    start_summary
    [ $# != 0 ] || lint
    build_plugins dev
    build_shim
    check_free_space
    [ $# != 0 ] || shim_tests
    cargo_tests $long "$@"
    end_summary
}
