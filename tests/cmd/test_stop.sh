# karma on SIGUSR1: a training ends in order after the current update, on all ranks, with what it
# has. A signal that comes before there is anything to end is remembered. And what a user reads
# then, or after an interrupt: one sentence with the command that goes on.
. tests/cmd/tap.sh

run_dir=$WORK/run
tiny=configs/experiments/tiny.yaml

# Ask as soon as the first update stands in the run directory.
start_training() { # LAUNCHER-AND-PROGRAM...; more arguments in $more
    # shellcheck disable=SC2086
    "$@" train $tiny --set train.updates=100000 \
        --set 'scenarios=[{name: quiet, events: []}]' --set run.dir="$run_dir" ${more:-} \
        >"$WORK/out" 2>"$WORK/err" </dev/null &
    job=$!
    wait_until grep -Eqs "^running" "$run_dir/status"
}

end_training() { # SIGNAL
    kill "-$1" $job 2>/dev/null
    rc=0
    wait $job || rc=$?
}

stop_training() { # LAUNCHER-AND-PROGRAM...
    start_training "$@"
    end_training USR1
}

only_ours() { # NAME: the launcher adds nothing to what the program says
    ! grep -Eq 'mpirun|mpiexec|Primary job|exit code|^--' "$WORK/err"
    result $? "$1"
}

stop_training "$KARMA"
same $rc 5 "one rank: exit status 5"
says err "^stopped on request after update [0-9]+ of 100000; to go on: the same command, without --restart$" \
    "one rank: a sentence"
holds "one rank: status" grep -Eq '^stopped after update [0-9]+ of 100000$' "$run_dir/status"
holds "one rank: a policy" test -s "$run_dir/policy/weights.bin"
rows=$(($(wc -l <"$run_dir/metrics.csv") - 1))
same "$(sed 's/^stopped after update \([0-9]*\) .*/\1/' "$run_dir/status")" "$rows" \
    "one rank: a row for each update done"

rm -rf "$run_dir"
more="--set train.checkpoint_every=0"
start_training "$KARMA"
end_training INT
[ "$rc" -gt 128 ]
result $? "one rank, interrupted: ended by the signal"
says err "^interrupted after update [0-9]+ of 100000; there is no checkpoint; to start anew: the same" \
    "one rank, interrupted: says that nothing is kept"
more=

# A terminal that is closed sends SIGHUP; nohup has it ignored.
if env --default-signal=HUP true 2>/dev/null; then
    rm -rf "$run_dir"
    start_training env --default-signal=HUP "$KARMA"
    end_training HUP
    same "$rc" 129 "one rank, hung up: ended by the signal"
    says err "^ended by SIGHUP after update [0-9]+ of 100000; .*the same command" "with a sentence"
    holds "and without a lock" test ! -e "$run_dir/lock"
    rm -rf "$run_dir"
    start_training env --ignore-signal=HUP "$KARMA"
    kill -HUP $job
    wait_until grep -Eqs "^running update ([2-9]|[0-9][0-9])" "$run_dir/status"
    end_training USR1
    same "$rc" 5 "one rank under nohup: is not hung up"
else
    skip "SIGHUP" "this env cannot set the actions of signals"
fi

if [ "${MPI:-1}" = 0 ]; then
    skip "three ranks" "built without MPI"
else
    rm -rf "$run_dir"
    stop_training "$LAUNCH" -n 3 "$KARMA"
    same $rc 5 "three ranks: exit status 5"
    says err "^stopped on request after update [0-9]+ of 100000; to go on: .*launch -n 3 " \
        "three ranks: a sentence with the command"
    only_ours "three ranks: and no word of the launcher"
    same "$(grep -c 'to go on' "$WORK/err")" 1 "three ranks: said once"
    holds "three ranks: status" grep -q '^stopped after update' "$run_dir/status"

    more="--set train.checkpoint_every=1"
    interrupt_training() { # SIGNAL WORDS NAME: one sentence, in a file
        going_on="^$2 after update [0-9]+ of 100000; to go on from the checkpoint of update [1-9]"
        rm -rf "$run_dir"
        start_training "$LAUNCH" -n 3 "$KARMA"
        wait_until grep -Eqs "update ([2-9]|[0-9][0-9])" "$run_dir/status"
        case $3 in
        *twice*)
            kill "-$1" $job
            sleep 0.02
            ;;
        esac
        end_training "$1"
        same "$(grep -Ec "$going_on" "$WORK/err")" 1 "$3: one sentence names the checkpoint"
        same "$(grep -c 'to go on' "$WORK/err")" 1 "$3: said once"
        only_ours "$3: no word of the launcher"
        same "$(grep -c "^$2 after update" "$run_dir/status")" 1 "$3: status"
        [ ! -e "$run_dir/lock" ]
        result $? "$3: no lock is left"
    }
    interrupt_training TERM "ended by SIGTERM" "three ranks, SIGTERM"
    interrupt_training HUP "ended by SIGHUP" "three ranks, hung up"
    interrupt_training INT interrupted "three ranks, interrupted twice"
    interrupt_training INT interrupted "three ranks, interrupted"
    command=$(sed -n 's/.*to go on from the checkpoint of update [0-9]*: //p' "$WORK/err")
    sh -c "exec $command" >"$WORK/out" 2>"$WORK/err" </dev/null &
    job=$!
    wait_until grep -Eqs "resumed after update" "$WORK/err"
    wait_until grep -Eqs "^running.*[0-9]$" "$run_dir/status"
    end_training USR1
    says err "resumed after update" "three ranks, interrupted: the command that it names goes on"
    same $rc 5 "three ranks, interrupted: and can be stopped"

    # With --restart the command would begin anew.
    rm -rf "$run_dir"
    KARMA_COMMAND="again --restart --set x=--restarted --restart" "$LAUNCH" -n 3 "$KARMA" train $tiny \
        --restart $more --set train.updates=100000 --set run.dir="$run_dir" \
        >"$WORK/out" 2>"$WORK/err" </dev/null &
    job=$!
    wait_until grep -Eqs "update ([2-9]|[0-9][0-9])" "$run_dir/status"
    end_training USR1
    says err "to go on: again --set x=--restarted$" "the command that goes on does not say --restart"

    # At a terminal Ctrl-C reaches every process of the launcher's group, and so the one that passes
    # the sentence on.
    if command -v script >/dev/null && script -qec true /dev/null >/dev/null 2>&1 </dev/null; then
        rm -rf "$run_dir"
        mkfifo "$WORK/keys"
        KARMA_COMMAND="again 7" script -qefc "exec '$LAUNCH' -n 3 '$KARMA' train $tiny \
            $more --set train.updates=100000 --set run.dir='$run_dir'" /dev/null \
            >"$WORK/err" 2>&1 <"$WORK/keys" &
        job=$!
        exec 8>"$WORK/keys"
        wait_until grep -Eqs "update ([2-9]|[0-9][0-9])" "$run_dir/status"
        printf '\003' >&8
        wait $job
        exec 8>&-
        same "$(tr -d '\r' <"$WORK/err" | grep -c 'to go on from the checkpoint.*: again 7$')" 1 \
            "three ranks, Ctrl-C at a terminal: one sentence"
        only_ours "three ranks, Ctrl-C at a terminal: no word of the launcher"
    else
        skip "three ranks, Ctrl-C at a terminal" "there is no 'script' to make one"
    fi
fi

# ---- an evaluation ----
interrupt_eval() { # LAUNCHER-AND-PROGRAM...
    rm -rf "$WORK/eval"
    "$@" eval $tiny --out "$WORK/eval" --set eval.episodes=100000 \
        --set eval.reference=ff --set 'eval.controllers=[{name: ff, ff: {}}]' \
        >"$WORK/out" 2>"$WORK/err" </dev/null &
    job=$!
    wait_until grep -Eqs "^ff," "$WORK/eval/eval.csv"
    end_training INT
    said=$(grep -c 'to go on: ' "$WORK/err")
}
interrupt_eval env KARMA_COMMAND="again 7" "$KARMA"
same "$(grep -c 'to go on: again 7' "$WORK/err")" 1 "an evaluation that is interrupted says once how to go on"
if [ "${MPI:-1}" = 0 ]; then
    skip "three ranks, an evaluation that is interrupted" "built without MPI"
else
    interrupt_eval "$LAUNCH" -n 3 "$KARMA"
    same "$said" 1 "three ranks, an evaluation that is interrupted: said once"
    only_ours "and the launcher says nothing"
fi

# --- before the configuration is read ------------------------------------------------------------
# Whoever opens a FIFO to write waits until a reader has opened it: the command is in main by then.
early() { # CONFIGURATION WORD...: the signal while `karma WORD... FIFO` reads its configuration
    config=$1
    shift
    rm -rf "$run_dir" "$WORK/fifo"
    mkfifo "$WORK/fifo"
    "$@" >"$WORK/out" 2>"$WORK/err" </dev/null &
    job=$!
    ( # alone: if the command has died of the signal, this dies of SIGPIPE
        kill -USR1 $job
        printf 'include: [%s]\n' "$PWD/$config"
    ) >"$WORK/fifo"
    rc=0
    wait $job || rc=$?
}

early $tiny "$KARMA" train "$WORK/fifo" --set run.dir="$run_dir"
same $rc 5 "train, while it starts: exit status 5"
holds "train, while it starts: status" grep -q '^stopped before the first update' "$run_dir/status"
rules="eval.controllers=[nothing, ff]"
early $tiny "$KARMA" eval "$WORK/fifo" --out "$run_dir" --set "$rules"
same $rc 5 "eval, while it starts: exit status 5"
early $tiny "$KARMA" trace collect "$WORK/fifo" --out "$WORK/store" --set "$rules"
same $rc 5 "trace collect, while it starts: exit status 5"
exits 0 "a store of transitions" "$KARMA" trace collect $tiny --out "$WORK/store" --set "$rules" \
    --set eval.episodes=8
early $tiny "$KARMA" twin fit "$WORK/store" --config "$WORK/fifo" --out "$WORK/twin"
same $rc 5 "twin fit, while it starts: exit status 5"
early $tiny "$KARMA" config check "$WORK/fifo"
same $rc 138 "a command that cannot stop in order ends at once"
done_testing
