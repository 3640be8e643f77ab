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
every=${EVERY:-3}
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

row_after() { # SECONDS: timing.csv of the guess has a row that late
    awk -F, -v least="$1" 'END { exit !(NR > 2 && $2 >= least) }' "$WORK/guess/timing.csv" 2>/dev/null
}

# How many updates fill the time: a guess from the first seconds of a run on as many ranks. Stops
# come after so many updates, not seconds, so a machine that turns faster or slower changes nothing.
"$LAUNCH" -n 2 "$KARMA" train $tiny --set run.dir="$WORK/guess" --set train.updates=100000000 \
    --set train.checkpoint_every=10 >/dev/null 2>&1 </dev/null &
job=$!
wait_until row_after 1.5
result $? "a run to guess by comes under way"
kill -TERM $job
wait $job 2>/dev/null
rate=$(awk -F, 'END { if (NR > 2) printf "%d", (NR - 1) / $2 * 100 }' "$WORK/guess/timing.csv")
updates=$((${rate:-100} * total / 100 + 40))
leg=$((updates * every / total))
echo "# $updates updates for $total s, a stop after up to $leg"

"$KARMA" train $tiny --set run.dir="$WORK/undisturbed" --set train.updates=$updates \
    >"$WORK/undisturbed.out" 2>/dev/null </dev/null &
undisturbed=$!

update_now() {
    sed -n 's/^[a-z ]*update \([0-9]*\) .*/\1/p' "$run/status" 2>/dev/null | tail -n 1
}

has_done() { # N: so many updates are done, in this leg
    now=$(update_now)
    grep -qs '^running' "$run/status" && [ "${now:-0}" -ge "$1" ]
}

legs=0 stops=0 growth=0 bad=
rc=5
while [ $rc = 5 ] && [ $legs -lt 1000 ]; do
    legs=$((legs + 1))
    draw 3
    ranks=$((drawn + 1))
    draw $ranks
    from=$(update_now)
    "$LAUNCH" -n $ranks "$KARMA" train $tiny --set run.dir="$run" --set train.updates=$updates \
        --set train.checkpoint_every=5 --set train.learners=$((drawn - 1)) \
        >"$WORK/out" 2>"$WORK/err" </dev/null &
    job=$!
    draw $((leg / 2))
    until_update=$((${from:-0} + leg / 2 + drawn)) first='' last=''
    wait_until has_done $(((${from:-0} + until_update) / 2)) && first=$(resident_kib)
    wait_until has_done $until_update && last=$(resident_kib)
    kill -USR1 $job 2>/dev/null && stops=$((stops + 1))
    rc=0
    wait $job || rc=$?
    if [ -n "$first" ] && [ -n "$last" ]; then
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
