# A training that is stopped again and again, for a long time: the same bits, no stray file, no
# growth of memory.
# TIMEOUT: 7200
#
# SECONDS_OF_SOAK=1800 EVERY=60 (make proof-soak) for the half hour; a smoke of it otherwise.
. tests/cmd/tap.sh
export OPENBLAS_NUM_THREADS=1

if [ "${MPI:-1}" = 0 ] || [ ! -r /proc/self/stat ]; then
    skip "a long training" "needs MPI and Linux's /proc"
    done_testing
    exit 0
fi

tiny=configs/experiments/tiny.yaml
run=$WORK/run
total=${SECONDS_OF_SOAK:-12}
every=${EVERY:-4}
seed=${SEED:-$$}
echo "# SEED=$seed"

draw() { # N: a number from 1 to N; the sequence follows from the seed
    seed=$(((seed * 1103515245 + 12345) % 2147483648))
    drawn=$((seed / 65536 % $1 + 1))
}

resident_kib() { # largest of the ranks below $job
    for pid in $(descendants $job karma); do
        sed -n 's/^VmRSS: *\([0-9]*\) kB/\1/p' "/proc/$pid/status" 2>/dev/null
    done | sort -n | tail -n 1
}

# How many updates fill the time: a guess from the first seconds of a run on as many ranks.
"$LAUNCH" -n 2 "$KARMA" train $tiny --set run.dir="$WORK/guess" --set train.updates=100000000 \
    --set train.checkpoint_every=10 >/dev/null 2>&1 </dev/null &
job=$!
sleep 5
kill -TERM $job
wait $job 2>/dev/null
rate=$(awk -F, 'END { if (NR > 2) printf "%d", (NR - 1) / $2 * 100 }' "$WORK/guess/timing.csv")
updates=$((${rate:-100} * total / 100 + 2))
echo "# $updates updates for $total s"

"$KARMA" train $tiny --set run.dir="$WORK/undisturbed" --set train.updates=$updates \
    >"$WORK/undisturbed.out" 2>/dev/null </dev/null &
undisturbed=$!

legs=0 stops=0 growth=0 bad=
rc=5
while [ $rc = 5 ] && [ $legs -lt 1000 ]; do
    legs=$((legs + 1))
    draw 3
    ranks=$((drawn + 1))
    draw $ranks
    "$LAUNCH" -n $ranks "$KARMA" train $tiny --set run.dir="$run" --set train.updates=$updates \
        --set train.checkpoint_every=5 --set train.learners=$((drawn - 1)) \
        >"$WORK/out" 2>"$WORK/err" </dev/null &
    job=$!
    draw "$every"
    left=$((every / 2 + drawn)) first=
    while [ $left -gt 0 ] && kill -0 $job 2>/dev/null; do
        sleep 1
        left=$((left - 1))
        now=$(resident_kib)
        [ -n "$first" ] || { [ $left -gt $((every / 2)) ] || first=$now; }
        [ -z "$now" ] || last=$now
    done
    kill -USR1 $job 2>/dev/null && stops=$((stops + 1))
    rc=0
    wait $job || rc=$?
    if [ -n "${first:-}" ] && [ -n "${last:-}" ]; then
        more=$((last - first))
        [ $more -le $growth ] || growth=$more
    fi
    strays=$(find "$run" -name '*.tmp-*')
    n_kept=$(find "$run/checkpoints" -name 'update-*.ckpt' | wc -l)
    [ -z "$strays" ] && [ "$n_kept" -le 2 ] || bad="$bad leg $legs: $strays $n_kept checkpoints;"
done
same $rc 0 "stopped $stops times, the run comes to its end"
same "$bad" "" "no stray file, at most two checkpoints"
[ $stops -gt 1 ]
result $? "it was stopped more than once ($stops times)"
[ $growth -le 4096 ]
result $? "no growth of memory within a leg (at most $growth KiB from its middle to its end)"
got=$(sed -n '$s/^digest //p' "$WORK/out")
wait $undisturbed
want=$(sed -n '$s/^digest //p' "$WORK/undisturbed.out")
same "${#want} $got" "16 $want" "the digest of the undisturbed run"
holds "and its metrics.csv" cmp "$run/metrics.csv" "$WORK/undisturbed/metrics.csv"
done_testing
