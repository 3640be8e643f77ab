# karma bench scale: constants, predictions, and a check against runs on other numbers of ranks.
. tests/cmd/tap.sh
export OPENBLAS_NUM_THREADS=1

tiny=configs/experiments/tiny.yaml
out=$WORK/scale

bench() { # RANKS ARGUMENT...
    ranks=$1
    shift
    run timeout "$HANGS" "$LAUNCH" -n "$ranks" "$KARMA" bench scale $tiny --measure 2 "$@"
}
cell() { # FILE KIND-or-RANKS COLUMN: of the first row that begins with it
    awk -F, -v first="$2" -v name="$3" '
        NR == 1 { for (i = 1; i <= NF; i++) if ($i == name) c = i }
        NR > 1 && $1 == first { print $c; exit }' "$out/$1"
}

exits 2 "without --out" "$KARMA" bench scale $tiny
says err "--out is missing; write --out DIR" "says what to write"
exits 2 "a farm smaller than a training" "$KARMA" bench scale $tiny --out "$out" --ranks 4 --each 64
says err "--each 64 is more than the 4 ranks of the largest farm" "is refused"
exits 2 "a farm of a billion trainings" "$KARMA" bench scale $tiny --out "$out" --ranks 1000000 \
    --per-place 1000
says err "1000000 places with 1000 trainings each, more than the 10000000" "is refused"
exits 2 "no updates" "$KARMA" bench scale $tiny --out "$out" --set train.updates=0
says err "train.updates: is 0: .*set it to the updates until convergence" "are refused"
exits 2 "a single tile" "$KARMA" bench scale $tiny --out "$out" --set train.envs=8
says err "train.envs is 8, which is a single tile .*at least 16" "is refused"
exits 2 "one rank, no constants" "$KARMA" bench scale $tiny --out "$out"
says err "constants.csv does not exist yet.*mpi/launch -n 2 karma bench scale" "says how to begin"
if [ "${MPI:-1}" = 0 ]; then
    skip "predictions" "built without MPI, there is no network to measure"
    done_testing
    exit
fi

bench 2 --out "$out" --ranks 64 --preempt 1000
same "$rc" 0 "two ranks measure"
same "$(wc -l <"$out/constants.csv")" 10 "nine constants"
says out "^LogGP: latency [0-9.]+ us, overhead [0-9.]+ us, gap [0-9.]+ us, [0-9.]+ ns per byte" \
    "the network's are printed"
same "$(grep -c '^run,' "$out/scale.csv")" 5 "one training: 1, 2, 4, 8 and 10 ranks, its tiles"
same "$(grep -c '^farm,' "$out/scale.csv")" 7 "the farm: 1, 2, 4 ... 64 ranks"
same "$(cell scale.csv run efficiency)" 1 "one rank has efficiency 1"
same "$(grep -c . "$out/check.csv")" 2 "a row compares"

cp "$out/constants.csv" "$WORK/before"
for ranks in 1 3 4; do
    bench "$ranks" --out "$out" --ranks 64
    same "$rc $(cell check.csv "$ranks" predicted_messages)" \
        "0 $(cell check.csv "$ranks" measured_messages)" \
        "$ranks ranks: as many messages as predicted"
done
says out "^check, ranks  CPU predicted, ms  measured +ratio  messages predicted  measured$" \
    "the table compares"
holds "the constants stay" cmp "$WORK/before" "$out/constants.csv"
same "$(grep -c '^check,' "$out/scale.csv")" 4 "scale.csv has a row for each call"
if command -v gnuplot >/dev/null 2>&1; then
    exits 0 "the figure" "$KARMA" figure "$out"
    fit_to_print "$out/scale.svg" "scale.svg"
else
    skip "the figure" "gnuplot is not installed"
fi

bench 2 --out "$out" --ranks 4 --updates 100000 --preempt 1000000 --checkpoint 1000000
says err "16 of 16 trainings of the largest farm .* do not end" "trainings that never end are counted"

sed 's/^update_s/updates/' "$WORK/before" >"$out/constants.csv"
bench 2 --out "$out"
same "$rc" 1 "a damaged file of constants"
says err "constants.csv:3: expected the constant update_s; remove the file" "is named with its line"
done_testing
