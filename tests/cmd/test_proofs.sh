# The scripts behind `make proof-theory` and `make proof-random-configs`: they must be able to fail.
. tests/cmd/tap.sh

here=$PWD
cd "$WORK" || exit 1

program() { # NAME: its text comes on standard input
    { echo '#!/bin/sh'; cat; } >"$1"
    chmod +x "$1"
}

# ---- tests/theory: rows of five deviations that are spread as they should be, but for what is added
rows() { # NAME SCALE SHIFT [FILTER]: quantiles of the normal distribution, shuffled
    awk -v scale="$2" -v shift="$3" 'BEGIN {
        n = 250
        for (i = 0; i < n; i++) {
            p = ((i * 97) % n + 0.5) / n
            q = p < 0.5 ? p : 1 - p
            t = sqrt(-2 * log(q))
            z = t - (2.30753 + 0.27061 * t) / (1 + 0.99229 * t + 0.04481 * t * t)
            z = (p < 0.5 ? -z : z) * scale + shift
            if (i % 5 == 0) line = sprintf("| system %d | 0.9 | 10 | 9.9 ± 0.03 |", i / 5)
            line = line sprintf(" %+.2f", z)
            if (i % 5 == 4) print line " | 1.0 | +3.0 % |"
        }
    }' >"$1.table"
}

rows good 1 0
rows narrow 1.3 0
rows wide 0.7 0
rows shifted 1 -0.25
for name in good narrow wide shifted; do
    echo "cat $WORK/$name.table" | program "$name"
done
{ cat good; echo "echo '| odd, again | 0.9 | 10 | 9 ± 0.03 | +9.00 +9.00 +9.00 +9.00 +9.00 | 4.0 | +3.0 % |'"; } | program again
{ cat good; echo 'exit 1'; } | program broken

exits 0 "a table as chance makes it passes" sh "$here/tests/theory" "$WORK/good"
says out "^50 rows, 250 deviations$" "all its deviations are counted"
says out "^\| system 49 \|" "and printed"
exits 1 "standard errors that are too small by 30 %" sh "$here/tests/theory" "$WORK/narrow"
says out "^mean square: .*\(\+[4-9]\.[0-9]\)" "are seen in the mean square"
exits 1 "standard errors that are too large" sh "$here/tests/theory" "$WORK/wide"
exits 1 "a shift of a quarter of them that all rows share" sh "$here/tests/theory" "$WORK/shifted"
says out "^mean: .*\(-[3-9]\.[0-9]\)" "is seen in the mean"
exits 0 "second comparisons are not counted again" sh "$here/tests/theory" "$WORK/again"
exits 1 "a program that fails fails the table" sh "$here/tests/theory" "$WORK/good" "$WORK/broken"
says out "^failed: broken" "and is named"
echo 'exit 0' | program silent
exits 1 "no table is no success" sh "$here/tests/theory" "$WORK/silent"

# ---- tests/random_configs: every configuration once, whatever the pieces
echo 'i=$FIRST; while [ $i -lt $((FIRST + CONFIGS)) ]; do echo $i; i=$((i + 1)); done >>'"$WORK/seen.\$\$" | program configs
echo '[ "$FIRST" -ne 200 ] || { echo config 217 breaks; exit 1; }' | program sick
(cd "$here" && FIRST=50 CONFIGS=250 JOBS=2 sh tests/random_configs "$WORK/configs") >"$WORK/said"
result $? "all configurations hold"
same "$(sort -n "$WORK"/seen.* | uniq | wc -l) $(cat "$WORK"/seen.* | wc -l) $(sort -n "$WORK"/seen.* | tail -n 1)" "250 250 299" "each of them was run once"
same "$(tail -n 1 "$WORK/said")" "1 programs, 250 configs each from 50 on: 3 runs, 0 failed" "the last line counts"
run env CONFIGS=250 JOBS=2 sh "$here/tests/random_configs" "$WORK/configs" "$WORK/sick"
same "$rc" 1 "one config that breaks fails all"
says out "config 217 breaks" "and what it said is shown"
says out "^2 programs, 250 configs each from 0 on: 6 runs, 1 failed$" "and counted"
done_testing
