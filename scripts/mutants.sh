# shellcheck shell=bash
# SPDX-License-Identifier: MPL-2.0
#
# ./dev mutants: changes the code in every way that cargo-mutants knows, one at a time, and runs the tests. What no test
# notices has to be on the list of docs/MUTANTS.md, with a reason. Takes hours for a package, so CI does not run it.

mutants_version=27.1.0
mutants_list=docs/MUTANTS.md
mutants_packages=(av1 supervisor svtav1 dav1d hosted element svtav1watch dav1dwatch codecwatch)

# The folder of a package.
mutants_folder() {
    case $1 in
    *watch) echo "plugins/$1" ;;
    *) echo "crates/$1" ;;
    esac
}

need_mutants() {
    need_rust
    need "${packages_to_build[@]}" "${packages_to_run[@]}" "${packages_to_test[@]}"
    PATH=$target/tools/bin:$PATH
    if ! cargo mutants --version >/dev/null 2>&1; then
        step "Installing cargo-mutants $mutants_version into $target/tools"
        CARGO_TARGET_DIR=$target/tools/build cargo install --quiet --locked --root "$target/tools" \
            "cargo-mutants@$mutants_version"
    fi
}

# mutants_tests PACKAGE: the tests that are run, the quick ones first, as arguments of cargo-mutants; how long they may
# take, in seconds; and the most memory, in GiB, because some mutants never stop filling a list.
mutants_tests() {
    local elements=(--lib --test properties --test limits --test sessions --test flow --test memory)
    seconds=300 memory=16 tests=() selected=()
    case $1 in
    av1) seconds=20 memory=4 ;;
    supervisor) ;;
    svtav1) selected=(--lib --test session --test metadata --test places --test faults) ;;
    dav1d) selected=(--lib --test session --test conformance --test witness) ;;
    element)
        seconds=900 tests=(--test-package "codecwatch-element,codecwatch-tests")
        selected=("${elements[@]}" --test svtav1watchenc --test dav1dwatchdec --test svtav1watchenc_faults
            --test dav1dwatchdec_faults --test ledger)
        ;;
    svtav1watch)
        seconds=600 tests=(--test-package "gst-plugin-svtav1watch,codecwatch-tests")
        selected=("${elements[@]}" --test svtav1watchenc)
        ;;
    hosted | codecwatch)
        seconds=600 tests=(--test-package "codecwatch-hosted,gst-plugin-codecwatch,codecwatch-tests")
        selected=(--lib --test hosted --test wrapped)
        ;;
    dav1dwatch)
        seconds=600 tests=(--test-package "gst-plugin-dav1dwatch,codecwatch-tests")
        selected=("${elements[@]}" --test dav1dwatchdec)
        ;;
    esac
}

# mutants_of PACKAGE AGAIN [FILE...]: all of the package, or these files. AGAIN=yes leaves out what was noticed last time.
mutants_of() {
    local package=$1 again=$2 out=$target/mutants/$1 options=() file code=0
    local seconds memory tests selected
    shift 2
    mutants_tests "$package"
    for file; do
        options+=(--file "$file")
    done
    [ "$again" = no ] || options+=(--iterate)
    step "Mutants of ${*:-$package}"
    mkdir -p "$out"
    case $package in
    *watch) options+=(--package "gst-plugin-$package") ;;
    *) options+=(--package "codecwatch-$package") ;;
    esac
    [ ${#selected[@]} = 0 ] || tests+=(-- "${selected[@]}")
    # 2: some survived; 3: some ran out of time. What is to be made of that is said below.
    (
        ulimit -v $((memory * 1024 * 1024))
        # The copies of the tree have a target folder of their own each.
        unset CARGO_TARGET_DIR
        nice cargo mutants --jobs 1 --no-shuffle --timeout "$seconds" --output "$out" "${options[@]}" "${tests[@]}"
    ) || code=$?
    case $code in
    0 | 2 | 3) ;;
    *) die "cargo-mutants ended with $code" ;;
    esac
}

# Figures of each file: viable mutants, those that were caught, that ran out of time (noticed, too), that survived; those
# that do not build. With --again those of earlier runs count as caught, the few that do not build among them.
mutants_figures() {
    local out=$1/mutants.out kind
    for kind in caught timeout missed unviable previously_caught; do
        [ ! -e "$out/$kind.txt" ] || sed "s/:.*//; s/^/$kind\t/" "$out/$kind.txt"
    done | awk -F'\t' '
        { files[$2]; kind = $1 == "previously_caught" ? "caught" : $1; count[kind, $2]++; all[kind]++ }
        function line(name, c, t, m, u,   viable) {
            viable = c + t + m
            printf "%-45s %5d %7d %8d %7d %9d %6.1f %%\n", name, viable, c, t, m, u, viable ? 100 * m / viable : 0
        }
        END {
            printf "%-45s %5s %7s %8s %7s %9s %8s\n", "", "viable", "caught", "timeout", "missed", "unviable", "survive"
            for (file in files)
                line(file, count["caught", file], count["timeout", file], count["missed", file], count["unviable", file]) |
                    "sort"
            close("sort")
            line("all", all["caught"], all["timeout"], all["missed"], all["unviable"])
        }'
}

# The survivors of a run that are not on the list. Lines and columns change with every edit and do not count.
mutants_unexplained() {
    sed -E 's/:[0-9]+:[0-9]+: /: /' "$1/mutants.out/missed.txt" | while IFS= read -r mutant; do
        grep -qF "\`$mutant\`" $mutants_list || printf '%s\n' "$mutant"
    done
}

run_mutants() {
    local again=no argument package survivors unexplained=''
    declare -A files=()
    if [ "${1:-}" = --again ]; then
        again=yes
        shift
    fi
    [ $# != 0 ] || set -- "${mutants_packages[@]}"
    for argument; do
        for package in "${mutants_packages[@]}"; do
            case $argument in
            "$package") files[$package]+=' ' ;;
            "$(mutants_folder "$package")"/*) files[$package]+=" $argument" ;;
            *) continue ;;
            esac
            continue 2
        done
        die "no package and no file of one: $argument (there are ${mutants_packages[*]})"
    done
    need_mutants
    for package in "${mutants_packages[@]}"; do
        [ -n "${files[$package]:-}" ] || continue
        # shellcheck disable=SC2086 # names without spaces
        mutants_of "$package" $again ${files[$package]}
    done
    for package in "${mutants_packages[@]}"; do
        [ -n "${files[$package]:-}" ] || continue
        step "Figures of $package (${target}/mutants/$package)"
        mutants_figures "$target/mutants/$package"
        survivors=$(mutants_unexplained "$target/mutants/$package")
        [ -z "$survivors" ] || unexplained+=$'\n'$survivors
    done
    [ -z "$unexplained" ] || die "these survived, and $mutants_list does not say why:$unexplained"
}
