# Two teams, one of them learned by a table: a training whose rank is killed (SIGKILL) goes on, on
# another number of ranks, to the digest of an undisturbed one.
. tests/cmd/tap.sh
export OPENBLAS_NUM_THREADS=1

program=$BUILD/tests/mpi/test_teams
run=$WORK/run

if [ "$MPI" = 0 ] || [ ! -r /proc/self/stat ]; then
    skip "killed ranks" "needs MPI and Linux's /proc"
    done_testing
    exit
fi

train() { # RANKS [resume]: in the foreground
    np=$1
    shift
    run timeout "$HANGS" "$LAUNCH" --for "$KARMA" -n "$np" "$program" train "$run" "$@"
}

train 2
want=$(sed -n 's/^digest //p' "$WORK/out")
same "$rc ${#want}" "0 16" "an undisturbed training prints its digest"

met=0
kill_rank() { # RANK UPDATE RANKS: kill that one of three after that update, go on
    rm -rf "$run"
    "$LAUNCH" --for "$KARMA" -n 3 "$program" train "$run" >"$WORK/out" 2>"$WORK/err" </dev/null &
    job=$!
    wait_until grep -Eqs "update $2[0-9] " "$run/status" || true
    kill -KILL "$(descendants $job test_teams | sed -n "$(($1 + 1))p")" 2>/dev/null
    wait $job && killed=no || killed=yes
    [ $killed = no ] || met=$((met + 1))
    train "$3" resume
    same "$rc $(sed -n 's/^digest //p' "$WORK/out")" "0 $want" \
        "process $1 of 3 killed ($killed), resumed on $3 ranks: the digest"
}

kill_rank 0 2 1
kill_rank 1 5 4
kill_rank 2 9 2
[ $met -gt 0 ]
result $? "some of the trainings were met by the kill ($met of 3)"
done_testing
