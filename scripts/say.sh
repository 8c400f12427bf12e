# shellcheck shell=bash
# SPDX-License-Identifier: MPL-2.0
#
# How ./dev speaks: on a terminal in colour, elsewhere plainly.

if [ -t 1 ]; then
    bold=$'\e[1m' dim=$'\e[2m' red=$'\e[31m' plain=$'\e[0m'
else
    bold='' dim='' red='' plain=''
fi

# step TEXT: what happens now
step() {
    printf '%s== %s%s\n' "$bold" "$*" "$plain"
}

die() {
    printf '%s%s%s\n' "$red" "./dev: $*" "$plain" >&2
    exit 1
}

# milliseconds since some time in the past, for differences
clock() {
    echo $(($(date +%s%N) / 1000000))
}

# seconds MILLISECONDS: as a number with one decimal
seconds() {
    printf '%d.%d' $(($1 / 1000)) $(($1 % 1000 / 100))
}
