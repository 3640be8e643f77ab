# The comparison of two revisions' benches, on trees whose benches print what this test wants: every
# ratio and interval is known, and an old tree without BENCH_ROWS is read from its report.
. tests/cmd/tap.sh
export FLAG=

# A bench that prints line ROUND of the file `values` of its tree: the values of its rows. Each tree
# counts its own rounds.
tree() { # NAME ROWS: 1 if it knows BENCH_ROWS
    mkdir -p "$WORK/$1/tests/bench" "$WORK/$1/b"
    echo "revision $1" >"$WORK/$1/b/revision"
    echo "BENCHES = bench_x" >"$WORK/$1/Makefile"
    : >"$WORK/$1/tests/bench/bench_x.c"
    rm -f "$WORK/$1/round"
    cat >"$WORK/$1/tests/bench/run" <<END
round=\$(cat round 2>/dev/null || echo 0)
round=\$((round + 1))
echo \$round >round
printf 'Bench of a test\n  of no machine, 1 234 cores\n\nA title, one core\n'
sed -n "\${round}p" values | tr ' ' '\n' | while IFS=, read -r name value unit; do
    name=\$(echo "\$name" | tr _ ' ')
    printf '  %-36s %11s %-18s how it was taken 5\n' "\$name" "\$value" "\$unit"
    [ $2 = 0 ] || [ -s "\$BENCH_ROWS" ] || echo "# A title, one core" >"\$BENCH_ROWS"
    [ $2 = 0 ] || printf '%s\t%s\t%s\n' "\$name" "\$value" "\$unit" >>"\$BENCH_ROWS"
done
echo "  checked: nothing at all, 7 times"
END
}

rates() { # NAME FACTOR: five rounds; a rate, its second row, a time and a size change by FACTOR
    for noise in 1.00 1.02 0.97 1.01 0.99; do
        echo "$noise $2" | awk '{ printf "the_rate,%.3f,steps/s ,%.3f,hops/s wait,%.3f,us bytes,%.3f,bytes/step same,5,%%\n",
            100 * $1 * $2, 200 * $1 * $2, 10 * $1 / $2, 40 * $2, 0 }'
    done >"$WORK/$1/values"
}

compare() { # ARGUMENT...: tests/bench/compare of both trees
    rm -f "$WORK/old/round" "$WORK/new/round"
    run env "$@" sh tests/bench/compare "$WORK/old" "$WORK/new" b bench_x
}

tree old 1
tree new 1
rates old 1
rates new 0.8
compare ROUNDS=5
same "$rc" 0 "something is slower: no error"
says out '^old: revision old$' "the first line names the old revision"
says out '^A title, one core$' "titles are those of the bench"
says out '^  the rate +100\.?0? +80 steps/s +0\.800 +0\.800 \.\. 0\.800 +slower$' "a rate"
says out '^  the rate +200 +160 hops/s +0\.800 ' "a row without a name has that of the row above"
says out '^  wait +10 +12\.5 us +1\.250 .* slower$' "a time that grows is slower"
says out '^  bytes +40 +32 bytes/step +0\.800 .* less$' "a size is neither slow nor fast"
says out '^  same +5 +5 % +1\.000 +1\.000 \.\. 1\.000$' "nothing is said of what did not change"
says out '^Interval of 5 ratios: from number 1 to number 5 .* probability of 93\.8 %\.$' "the interval"

compare ROUNDS=5 SLOWER=1.3
same "$rc" 0 "SLOWER: a slower row within the factor is none"
compare ROUNDS=5 SLOWER=1.2
same "$rc" 1 "SLOWER: beyond it, the status is 1"
says out '^  the rate .* slower, more than 1\.2$' "and the row says so"
rates new 1.25
compare ROUNDS=5 SLOWER=1.1
same "$rc" 0 "SLOWER: faster is never slower"
says out '^  wait .* 0\.800 .* faster$' "a time that falls is faster"

# Ratios of known order: 1.1 0.9 1.3 1.2 0.8 1.0 1.4 1.5; median 1.15, numbers 2 and 7 of 8.
for _ in 1 2 3 4 5 6 7 8; do echo "a,100,x/s gone,3,x/s"; done >"$WORK/old/values"
for x in 110 90 130 120 80 100 140 150; do echo "a,$x,x/s came,4,x/s"; done >"$WORK/new/values"
compare ROUNDS=8 SLOWER=1.01
says out '^  a +100 +115 x/s +1\.150 +0\.900 \.\. 1\.400$' "median and interval of eight pairs"
says out ' of 8 ratios: from number 2 to number 7 .* of 93\.0 %\.$' "which order statistics"
says out '^  gone +3 +- x/s +only in old$' "a row that is gone"
says out '^  came +- +4 x/s +only in new$' "a row that is new"
same "$rc" 0 "they are not slower"

# A revision before BENCH_ROWS: its report has the same rows, with fewer digits.
tree old 0
rates old 1
rates new 0.5
compare ROUNDS=5
says out '^  the rate +100\.?0? +50 steps/s +0\.500 .* slower$' "an old tree is read from its report"
says out '^old: its rows are those of its report' "which the output says"
says out '^  the rate .* hops/s ' "rows without a name, too"
! grep -q 'cores\|checked' "$WORK/out"
result $? "and nothing else of it is a row"

# What goes wrong.
exits 2 "no such bench" sh tests/bench/compare "$WORK/old" "$WORK/new" b bench_y
says err 'bench_y\.c; their benches: bench_x$' "the message names those there are"
exits 2 "no rounds" env ROUNDS=0 sh tests/bench/compare "$WORK/old" "$WORK/new" b bench_x
says err "ROUNDS='0', expected a whole number from 1 on" "the message says what was expected"
for factor in 0.9 fast; do
    compare ROUNDS=1 SLOWER=$factor
    same "$rc $(wc -c <"$WORK/out" | tr -d ' ')" "2 0" "SLOWER=$factor is refused before anything runs"
    says err "SLOWER=$factor: expected a factor from 1 on" "the message says what was expected"
done
echo 'echo "no kernel"; exit 3' >"$WORK/new/tests/bench/run"
compare ROUNDS=1
same "$rc" 2 "a bench that fails"
says err 'bench_x of .*/new failed' "the message names the tree"
says err 'no kernel' "and has its last lines"

exits 2 "make bench-compare without a revision" env BUILD=b BENCHES=bench_x REV= sh mk/bench_compare
says err 'make bench-compare REV=HEAD~1' "the message says what to type"
exits 2 "a revision that git does not know" env BUILD=b BENCHES=bench_x REV=no-such-thing sh mk/bench_compare
says err "no revision 'no-such-thing'" "the message names it"
done_testing
