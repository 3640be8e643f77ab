# A rank that is killed: the others end, soon, with an exit status that says so.
. tests/cmd/tap.sh

if [ "${MPI:-1}" = 0 ] || [ ! -r /proc/self/stat ]; then
    skip "a killed rank" "needs MPI and Linux's /proc"
    done_testing
    exit 0
fi

living() { # PID...: those that have not ended
    for pid in "$@"; do
        ! alive "$pid" || echo "$pid"
    done
}

within() { # SECONDS COMMAND...: does it succeed that soon? What hangs would hang for ever
    until_s=$(($(date +%s) + $1))
    shift
    until "$@"; do
        [ "$(date +%s)" -lt $until_s ] || return 1
        sleep 0.1
    done
}

none_living() { # PID...
    [ -z "$(living "$@")" ]
}

no_ranks() {
    [ -z "$(descendants $job karma)" ]
}

begin() { # RUN ARGUMENT...: three ranks in the background, some updates under way; launcher in $job
    run_dir=$WORK/run-$1
    shift
    "$LAUNCH" -n 3 "$KARMA" train configs/experiments/tiny.yaml \
        --set train.updates=100000 --set run.dir="$run_dir" "$@" >"$WORK/out" 2>"$WORK/err" </dev/null &
    job=$!
    wait_until grep -Eqs 'running update ([2-9]|[0-9]{2})' "$run_dir/status"
}

process_of() { # RANK: the process below $job that was started as that rank
    for pid in $(descendants $job karma); do
        tr '\0' '\n' <"/proc/$pid/environ" |
            grep -Eqx "(OMPI_COMM_WORLD_RANK|PMIX_RANK|PMI_RANK|SLURM_PROCID)=$1" && echo "$pid"
    done
}

status_is() { # PATTERN NAME
    grep -Eq "$1" "$run_dir/status"
    tap_status=$?
    result $tap_status "$2"
    [ $tap_status = 0 ] || sed 's/^/# status: /' "$run_dir/status"
}

lose() { # RANK NAME
    begin "$1"
    ranks=$(descendants $job karma)
    same "$(echo "$ranks" | wc -l)" 3 "$2: there are three ranks"
    kill -KILL "$(process_of "$1")"
    killed=$(date +%s)
    rc=0
    wait $job || rc=$?
    seconds=$(($(date +%s) - killed))
    [ "$rc" != 0 ] && [ $seconds -le 60 ]
    result $? "$2 (exit status $rc after $seconds s)"
    within 60 none_living $ranks
    same "$(living $ranks)" "" "$2: no rank is left"
    status_is "^lost rank $1 after update [0-9]+ of 100000\$" "$2: the status says so"
}

lose 0 "the learner is killed"
lose 2 "a simulating rank is killed"

# The launcher goes on without the lost rank: the others notice it themselves.
if "$LAUNCH" --print -n 3 "$KARMA" | grep -q -- '--bind-to none'; then
    KARMA_LAUNCH_ARGS=--enable-recovery
    export KARMA_LAUNCH_ARGS
    begin alone
    unset KARMA_LAUNCH_ARGS
    kill -KILL "$(process_of 2)"
    within 120 no_ranks
    same "$(descendants $job karma)" "" "under recovery: all ranks leave within two minutes"
    says err "rank 2, on this host, is gone" "under recovery: with a sentence"
    status_is "^lost rank 2 after update" "under recovery: and a status"
    kill $job 2>/dev/null
    wait $job || :
else
    skip "a rank that is lost under recovery" "needs Open MPI's mpirun"
fi

# --- leaving at once ---
leave() { # SIGNAL
    begin "$1" --set train.checkpoint_every=1
    kill "-$1" $job
    asked=$(date +%s)
    wait $job || :
    [ $(($(date +%s) - asked)) -le 60 ]
    result $? "SIG$1: the run leaves at once"
    status_is "^(ended by SIGTERM|interrupted) after update [0-9]+ of 100000\$" \
        "SIG$1: the status says so"
    holds "SIG$1: a checkpoint is left" sh -c "ls '$run_dir'/checkpoints/update-*.ckpt"
}

leave TERM
leave INT
done_testing
