# Ratios new / old of the rows of benches, with intervals.
#
#   awk [-v slower=FACTOR] -f tests/bench/compare.awk BENCH.ROUND.old BENCH.ROUND.new ...
#
# A file has the rows of one run (tests/bench/bench.h, BENCH_ROWS). Runs of one round are a pair.
# For each row: the medians of both sides, the median of the paired ratios, and an interval of that
# median from two order statistics: of n ratios in ascending order the k-th and the (n + 1 - k)-th.
# It contains the median of the distribution of ratios with probability
#
#     1 - 2 P(B <= k - 1),    B binomial (n, 1/2)
#
# whatever that distribution is (H. A. David, H. N. Nagaraja: Order Statistics, 7.1). k is the
# largest with 90 %, or 1 if no k has 90 % (n < 5). The note says `faster` or `slower` if the
# interval is on one side of 1; for a row that is neither a rate (a unit that ends in /s) nor a time
# (ns, us, ms or s, also per something), `more` or `less`.
#
# With `slower`, the exit status is 1 if for a rate or a time the median and the interval say
# slower, the median by more than that factor.
BEGIN {
    FS = "\t"
    if (slower != "" && (slower !~ /^[0-9]+(\.[0-9]+)?$/ || slower + 0 < 1)) {
        print "SLOWER=" slower ": expected a factor from 1 on; SLOWER=1.05 means by 5 %" >"/dev/stderr"
        status = 2
        exit
    }
}

FNR == 1 {
    parts = split(FILENAME, part, ".")
    side = part[parts]
    round = part[parts - 1]
    title = name = ""
    split("", seen)
}

/^#/ {
    title = substr($0, 3)
    name = ""
    next
}

# Rows of one name and unit under one title are told apart by their order.
NF == 3 {
    name = $1 != "" ? $1 : name
    key = title FS name FS $3
    seen[key]++
    key = key FS seen[key]
    if (!(key in known)) {
        known[key] = 1
        row[++n_rows] = key
    }
    value[key, side, round] = $2 + 0
    is_there[key, side, round] = 1
    last = round > last ? round + 0 : last
}

function sort(x, n,    i, j, t) {
    for (i = 2; i <= n; i++) {
        t = x[i]
        for (j = i - 1; j > 0 && x[j] > t; j--) {
            x[j + 1] = x[j]
        }
        x[j + 1] = t
    }
}

function median(x, n) {
    sort(x, n)
    return n % 2 ? x[(n + 1) / 2] : (x[n / 2] + x[n / 2 + 1]) / 2
}

# Probability with which the k-th and the (n + 1 - k)-th of n enclose the median.
function coverage(n, k,    i, term, below) {
    term = 1
    for (i = 1; i <= n; i++) {
        term /= 2
    }
    for (i = 0; i < k; i++) {
        below += term
        term = term * (n - i) / (i + 1)
    }
    return 1 - 2 * below
}

function order_of(n,    k) {
    for (k = 1; 2 * (k + 1) <= n && coverage(n, k + 1) >= 0.9; k++) continue
    return k
}

function shown(x) {
    return x >= 1e5 ? sprintf("%.0f", x) : sprintf("%.4g", x)
}

# Medians of one side over all its rounds; "-" if the row is not there.
function middle(key, side,    i, n, x) {
    n = 0
    for (i = 1; i <= last; i++) {
        if ((key, side, i) in is_there) {
            x[++n] = value[key, side, i]
        }
    }
    return n ? shown(median(x, n)) : "-"
}

# 1: more is faster, -1: less is faster, 0: neither.
function direction(unit) {
    return unit ~ /\/s$/ ? 1 : unit ~ /^(n|u|m)?s(\/|$)/ ? -1 : 0
}

function note(lo, hi, way) {
    if (lo < 1.0005 && hi >= 0.9995) { # as it is printed
        return ""
    }
    if (way == 0) {
        return lo > 1 ? "more" : "less"
    }
    return (lo > 1) == (way > 0) ? "faster" : "slower"
}

function compare(key, name, unit, old, new,    i, n, x, k, mid, what, way, line) {
    n = 0
    for (i = 1; i <= last; i++) {
        if (((key, "old", i) in is_there) && ((key, "new", i) in is_there) && value[key, "old", i] != 0) {
            x[++n] = value[key, "new", i] / value[key, "old", i]
        }
    }
    if (n == 0) {
        printf "  %-36s %11s %11s %-18s %s\n", name, old, new, unit, \
            old == "-" ? "only in new" : new == "-" ? "only in old" : "no ratio: old is 0"
        return
    }
    mid = median(x, n)
    k = order_of(n)
    way = direction(unit)
    what = note(x[k], x[n + 1 - k], way)
    counted[n] = 1
    if (slower != "" && what == "slower" && (way > 0 ? 1 / mid : mid) > slower + 0) {
        what = what ", more than " slower
        status = 1
    }
    line = sprintf("  %-36s %11s %11s %-18s %6.3f  %6.3f .. %-6.3f %s", name, old, new, unit, mid, \
        x[k], x[n + 1 - k], what (n < last ? " (" n " pairs)" : ""))
    sub(/ +$/, "", line)
    print line
}

END {
    if (status == 2) {
        exit 2
    }
    if (n_rows == 0) {
        print "tests/bench/compare.awk: no rows to compare" >"/dev/stderr"
        exit 2
    }
    for (r = 1; r <= n_rows; r++) {
        split(row[r], field, FS)
        if (field[1] != above) {
            printf "\n%s\n  %-36s %11s %11s %-18s %6s  %s\n", field[1], "", "old", "new", "", \
                "ratio", "interval"
            above = field[1]
        }
        compare(row[r], field[2], field[3], middle(row[r], "old"), middle(row[r], "new"))
    }
    print ""
    for (n = 1; n <= last; n++) {
        if (n in counted) {
            printf "Interval of %d ratios: from number %d to number %d in ascending order, which contain the median with a probability of %.1f %%.\n", \
                n, order_of(n), n + 1 - order_of(n), 100 * coverage(n, order_of(n))
        }
    }
    exit status
}
