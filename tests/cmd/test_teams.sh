# Two teams in one training: one whose rank is killed (SIGKILL) goes on, on another number of ranks, to
# the digest of an undisturbed one. A team that learns by a table (tests/mpi/test_teams.c), then the
# defenders and a learned attacker, fused (all ranks learn) and split (one or two learn).
. tests/cmd/tap.sh
export OPENBLAS_NUM_THREADS=1

run=$WORK/run

if [ "$MPI" = 0 ] || [ ! -r /proc/self/stat ]; then
    skip "killed ranks" "needs MPI and Linux's /proc"
    done_testing
    exit
fi

tables() { # RANKS LEARNERS [resume]: the command's words
    np=$1
    shift 2
    set -- "$LAUNCH" --for "$KARMA" -n "$np" "$BUILD/tests/mpi/test_teams" train "$run" "$@"
    "$@"
}

attacked() { # RANKS LEARNERS [resume]: karma train resumes by itself
    "$LAUNCH" -n "$1" "$KARMA" train configs/experiments/tiny.yaml --set run.dir="$run" \
        --set train.opponent=together --set train.updates=12 --set train.checkpoint_every=1 \
        --set "train.learners=$2"
}

train() { # ARGUMENT of the kind...: in the foreground; exit status in $rc
    "$kind" "$@" >"$WORK/out" 2>"$WORK/err" </dev/null && rc=0 || rc=$?
    got="$rc $(sed -n 's/^digest //p' "$WORK/out")"
}

kill_rank() { # RANK PATTERN RANKS LEARNERS: kill that one of three after such an update, go on
    rm -rf "$run"
    "$kind" 3 "$4" >"$WORK/out" 2>"$WORK/err" </dev/null &
    job=$!
    wait_until grep -Eqs "update $2 " "$run/status" || true
    kill -KILL "$(descendants $job "$process" | sed -n "$(($1 + 1))p")" 2>/dev/null
    wait $job && killed=no || killed=yes
    [ $killed = no ] || met=$((met + 1))
    train "$3" "$4" resume
    same "$got" "0 $want" \
        "$kind: process $1 of 3 killed ($killed), $4 learn, resumed on $3 ranks: the digest"
}

for kind in tables attacked; do
    [ $kind = tables ] && process=test_teams || process=karma
    rm -rf "$run"
    train 2 0
    want=${got#0 }
    same "${#want}" 16 "$kind: an undisturbed training prints its digest"
    met=0
    kill_rank 0 '[2-9][0-9]*' 1 0 # fused
    if [ $kind = tables ]; then
        kill_rank 1 '5[0-9]' 4 0
        kill_rank 2 '9[0-9]' 2 0
    else
        kill_rank 1 1 3 0
        kill_rank 2 3 3 2 # split: two learn
        kill_rank 0 1 2 1
    fi
    [ $met -gt 0 ]
    result $? "$kind: some of the trainings were met by the kill ($met)"
done
done_testing
