# SPDX-License-Identifier: MPL-2.0
#
# awk -f scripts/table.awk: turns lines of cells between tabs, the first of them the titles, into a Markdown table that
# also reads well as text. A column that holds nothing but numbers is set to the right.

BEGIN { FS = "\t" }

{
    for (i = 1; i <= NF; i++) {
        cell[NR, i] = $i
        if (length($i) > width[i]) width[i] = length($i)
        if (NR > 1 && $i !~ /^-?[0-9]+([.][0-9]+)?$/) words[i] = 1
    }
    if (NF > columns) columns = NF
}

function padded(row, i) {
    return sprintf(i in words ? " %-" width[i] "s |" : " %" width[i] "s |", cell[row, i])
}

function rule(i,  dashes) {
    dashes = sprintf("%" width[i] "s", "")
    gsub(/ /, "-", dashes)
    return i in words ? "-" dashes "-|" : "-" dashes ":|"
}

END {
    for (row = 1; row <= NR; row++) {
        line = "|"
        for (i = 1; i <= columns; i++) line = line padded(row, i)
        print line
        if (row > 1) continue
        line = "|"
        for (i = 1; i <= columns; i++) line = line rule(i)
        print line
    }
}
