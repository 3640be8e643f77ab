# The launcher's choices, read from the commands that it would start.
. tests/cmd/tap.sh

print() {
    run "$LAUNCH" --print "$@"
}

exits 0 "--help" "$LAUNCH" --help
says out "mpi/launch \[--print\] \[--for BINARY\] -n N PROGRAM" "shows the usage"
says out "KARMA_LAUNCH_ARGS  more arguments" "and the variables"
exits 2 "an unknown option" "$LAUNCH" --np 2 "$KARMA"
says err "unknown option '--np'; '.*launch --help'" "names the one that helps"
exits 2 "no rank count is a usage error" "$LAUNCH" "$KARMA"
says err "-n N" "the message names the missing option"
exits 2 "zero ranks are refused" "$LAUNCH" -n 0 "$KARMA"
exits 2 "a rank count is a number" "$LAUNCH" -n two "$KARMA"
exits 2 "a missing program is refused" "$LAUNCH" -n 2 "$WORK/no-such-program"
says err "no-such-program" "the message names the program"
exits 2 "several ranks of a program without MPI are refused" "$LAUNCH" -n 2 /bin/sh -c true
says err "without MPI" "the message says why"
exits 0 "one rank of a program without MPI needs no launcher" "$LAUNCH" -n 1 /bin/sh -c \
    'test "$OPENBLAS_NUM_THREADS" = 1'
exits 7 "the exit status is the program's" "$LAUNCH" -n 1 /bin/sh -c 'exit 7'
exits 2 "an unknown launcher is refused" env KARMA_LAUNCHER=rsh "$LAUNCH" -n 1 /bin/sh
says err "must be mpirun, srun, openmpi or mpich, not 'rsh'" "the message names those that there are"
exits 2 "an unknown pinning is refused" env KARMA_PIN=socket "$LAUNCH" -n 1 /bin/sh
says err "KARMA_PIN must be cores or none, not 'socket'" "in a sentence"
exits 0 "KARMA_LAUNCHER=srun" env KARMA_LAUNCHER=srun KARMA_PIN=cores SLURM_CPUS_PER_TASK=3 "$LAUNCH" --print -n 2 /bin/sh
says out " SRUN_CPUS_PER_TASK=3 srun --mpi=pmi[x2] --cpu-bind=cores -n 2 /bin/sh$" \
    "srun binds and gets the CPUs of a task"

if ! mpirun --version 2>/dev/null | grep -q 'Open MPI'; then
    skip "the flags for Open MPI" "mpirun is not Open MPI's"
else
    export KARMA_LAUNCHER=openmpi
    unset SLURM_JOB_ID SLURM_JOB_NUM_NODES SLURM_NTASKS SLURM_TASKS_PER_NODE
    print -n 1 /bin/true
    says out "OPENBLAS_NUM_THREADS=1" "OpenBLAS starts no threads"
    ! grep -q 'versubscribe\|OVERSUBSCRIBE\|yield' "$WORK/out"
    result $? "one rank never oversubscribes"
    KARMA_LAUNCHER=mpirun print --for "$KARMA" -n 1 /bin/true
    says out " mpirun .*-n 1 /bin/true$" "KARMA_LAUNCHER=mpirun is the mpirun of the program's library"
    for pin in cores none; do
        KARMA_PIN=$pin print -n 1 /bin/true
        same "$(grep -o -- '--bind-to [a-z]*' "$WORK/out")" "--bind-to $(echo $pin | sed s/cores/core/)" "KARMA_PIN=$pin"
    done
    KARMA_PIN=cores KARMA_LAUNCH_ARGS="--bind-to socket" print -n 1 /bin/true
    same "$(grep -o -- '--bind-to [a-z]*' "$WORK/out")" "--bind-to socket" "KARMA_LAUNCH_ARGS wins over KARMA_PIN"
    print -n 4096 /bin/true
    says out "versubscribe|OVERSUBSCRIBE" "more ranks than cores oversubscribe"
    says out "mpi_yield_when_idle=1" "and yield when idle"
    if [ "$(id -u)" = 0 ]; then
        says out "--allow-run-as-root" "root is allowed by a flag"
        says out "OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1" "and by both variables"
    else
        ! grep -q "run-as-root" "$WORK/out"
        result $? "only root gets root's flags"
    fi
    KARMA_LAUNCH_ARGS="--host a,b" print -n 4096 /bin/true
    ! grep -q '_if_include=lo' "$WORK/out"
    result $? "several hosts do not talk over loopback"
    ! grep -q 'mpirun.* -q ' "$WORK/out"
    result $? "and mpirun says which of them it does not reach"

    # --- which launchers bind: machines that are told by other nproc, getconf and taskset ---
    bin=$WORK/bin
    mkdir -p "$bin"
    printf '#!/bin/sh\necho "$ONLINE"\n' >"$bin/getconf"
    printf '#!/bin/sh\n[ -z "${OMP_NUM_THREADS:-}" ] || exec echo "$OMP_NUM_THREADS"\necho "${ASKED:-$MASK}"\n' \
        >"$bin/nproc"
    printf '#!/bin/sh\nshift 2\nASKED=$CPUSET exec "$@"\n' >"$bin/taskset"
    chmod +x "$bin"/*

    machine() { # ONLINE CPUSET MASK yes|no NAME: a Slurm job on such a machine binds its ranks or not
        print_on "$@"
        if grep -q -- '--bind-to none' "$WORK/out"; then bound=no; else bound=yes; fi
        same "$rc $bound" "0 $4" "$5"
    }
    print_on() {
        run env PATH="$bin:$PATH" ONLINE="$1" CPUSET="$2" MASK="$3" SLURM_JOB_ID=7 SLURM_NTASKS=2 \
            ${more:-} "$LAUNCH" --print -n 2 /bin/true
    }

    machine 8 8 8 no "a site that binds nothing: ranks of two jobs do not share core 0"
    machine 8 2 2 yes "a site that gives each job its cores by a cpuset: ranks are bound"
    machine 8 8 2 no "an affinity mask, which mpirun does not see: ranks inherit it"
    machine 8 4 2 no "a mask inside a cpuset"
    more="OMP_NUM_THREADS=1"
    machine 8 8 8 no "OMP_NUM_THREADS is no affinity"
    more="SLURM_JOB_NUM_NODES=2"
    machine 8 8 8 no "several nodes that bind nothing"
    machine 8 2 2 yes "several nodes with cpusets"
    more="KARMA_LAUNCH_ARGS=--bind-to=core"
    machine 8 8 8 yes "whoever asks for a binding gets it"
    more="SLURM_TASKS_PER_NODE=1"
    print_on 8 8 8
    says out "versubscribe|OVERSUBSCRIBE" "more ranks than tasks on one node oversubscribe"
    more="SLURM_JOB_NUM_NODES=2 SLURM_NTASKS=1"
    print_on 8 8 8
    same $rc 2 "more ranks than tasks on several nodes are refused"
    says err "2 ranks are asked for, but the Slurm job has 1 tasks; sbatch --ntasks=2" "in a sentence"
    more=

    # The real ones: what a rank may use is what the launcher's shell may use.
    cpus='grep Cpus_allowed_list /proc/self/status'
    first=$(sed -n 's/^Cpus_allowed_list:[^0-9]*\([0-9]*\).*/\1/p' /proc/self/status 2>/dev/null)
    last=$(sed -n 's/^Cpus_allowed_list:.*[^0-9]\([0-9]*\)$/\1/p' /proc/self/status 2>/dev/null)
    if [ -z "$last" ] || [ "$first" = "$last" ] || ! taskset -c "$last" true 2>/dev/null; then
        skip "the CPUs of a rank in a Slurm job" "needs Linux, taskset and two CPUs"
    else
        wanted=$($cpus)
        run env SLURM_JOB_ID=7 "$LAUNCH" --for "$KARMA" -n 1 $cpus
        same "$(cat "$WORK/out")" "$wanted" "a Slurm job on a machine that binds nothing floats"
        wanted=$(taskset -c "$last" $cpus)
        run env SLURM_JOB_ID=7 taskset -c "$last" "$LAUNCH" --for "$KARMA" -n 1 $cpus
        same "$(cat "$WORK/out")" "$wanted" "a Slurm job with a mask stays inside it"
    fi

    # --- what mpirun says, and what it leaves to the program ---
    exits 5 "a status other than 0" "$LAUNCH" --for "$KARMA" -n 2 sh -c 'echo why >&2; exit 5'
    same "$(sort -u "$WORK/err")" why "is explained by the program alone"
    exits 5 "KARMA_LAUNCH_LOUD" env KARMA_LAUNCH_LOUD=1 "$LAUNCH" --for "$KARMA" -n 2 sh -c 'exit 5'
    says err "non-zero|exit code" "shows what mpirun has to say"

    # --- last words: the first line in the FIFO reaches the user before the launcher ends ---
    mkdir -p "$WORK/tmp"
    cat >"$WORK/last.sh" <<'END'
if [ "$OMPI_COMM_WORLD_RANK" = 0 ]; then
    echo 'first words' >"$KARMA_LAST_WORDS"
    while [ -e "$KARMA_LAST_WORDS" ]; do sleep 0.01; done
    kill -KILL $$
fi
sleep 100
END
    run env TMPDIR="$WORK/tmp" "$LAUNCH" --for "$KARMA" -n 2 sh "$WORK/last.sh"
    same "$(cat "$WORK/err")" "first words" "what a rank writes before it is killed arrives, once"
    exits 0 "and nobody has last words" env TMPDIR="$WORK/tmp" "$LAUNCH" --for "$KARMA" -n 2 true
    same "$(cat "$WORK/err")" "" "none are written"
    nothing_left() { # NAME
        tries=0
        until [ -z "$(ls "$WORK/tmp" | grep '^karma-launch')" ] || [ $tries = 500 ]; do
            tries=$((tries + 1))
            sleep 0.02
        done
        same "$(ls "$WORK/tmp" | grep '^karma-launch')" "" "$1"
    }
    nothing_left "no file is left behind"
    mkdir -p "$WORK/no-fifo"
    printf '#!/bin/sh\nexit 1\n' >"$WORK/no-fifo/mkfifo"
    chmod +x "$WORK/no-fifo/mkfifo"
    exits 0 "without FIFOs it works, too" env PATH="$WORK/no-fifo:$PATH" TMPDIR="$WORK/tmp" "$LAUNCH" \
        --for "$KARMA" -n 2 true
    nothing_left "and leaves no directory"

    # --- signals: a program that says which one it got, and takes its time ---
    cat >"$WORK/signals.sh" <<'END'
for signal in HUP INT TERM USR1; do
    trap "trap '' HUP INT TERM; echo $signal >>$WORK/got; sleep 0.3; echo end >>$WORK/got; exit 3" $signal
done
[ "$OMPI_COMM_WORLD_RANK" != 0 ] || echo $$ >"$WORK/rank"
while :; do sleep 0.05; done
END
    begin() { # in the background, where a script starts a program with SIGINT ignored
        rm -f "$WORK/got" "$WORK/rank"
        WORK=$WORK TMPDIR=$WORK/tmp "$LAUNCH" --for "$KARMA" -n 1 sh "$WORK/signals.sh" \
            >"$WORK/out" 2>"$WORK/err" </dev/null &
        job=$!
        wait_until test -s "$WORK/rank"
    }
    for signal in HUP INT TERM USR1; do
        begin
        kill -$signal $job
        wait_until test -s "$WORK/got"
        [ $signal = USR1 ] || kill -$signal $job
        rc=0
        wait $job || rc=$?
        same "$rc $(tr '\n' ' ' <"$WORK/got")" "3 $signal end " \
            "SIG$signal reaches the ranks, and a second one does not cut them short"
    done
    nothing_left "and no file is left behind"
    begin
    relay=$(grep -ls "karma-launch-" /proc/[0-9]*/cmdline 2>/dev/null | sed 's|/proc/\(.*\)/cmdline|\1|' |
        while read -r pid; do grep -aqs "relay.$WORK/tmp" "/proc/$pid/cmdline" && echo "$pid"; done)
    kill -KILL $relay
    kill -TERM $job
    wait $job
    nothing_left "nor if the process that passes last words on was killed"
    begin
    rank=$(cat "$WORK/rank")
    mpirun=$(sed -n 's/^PPid:[^0-9]*//p' "/proc/$rank/status")
    kill -KILL $job
    wait $job 2>/dev/null
    tries=0
    while alive "$mpirun" && [ $tries -lt 500 ]; do
        tries=$((tries + 1))
        sleep 0.02
    done
    ! alive "$mpirun"
    result $? "with this process mpirun is killed, and so are ranks that use MPI"
    kill -KILL "$rank"
    nothing_left "and no file is left behind then"
fi

# ---- a host whose name nobody knows ----
fake() { # COMMANDS: a getent that does this
    mkdir -p "$WORK/bin"
    printf '#!/bin/sh\n%s\n' "$1" >"$WORK/bin/getent"
    chmod +x "$WORK/bin/getent"
}
named() { # start a program that needs no ranks as if it used MPI
    PATH=$WORK/bin:$PATH KARMA_LAUNCHER=srun "$LAUNCH" -n 1 /bin/true
}
mkdir -p "$WORK/bin"
printf '#!/bin/sh\nexit 0\n' >"$WORK/bin/srun"
chmod +x "$WORK/bin/srun"
fake 'exit 0'
exits 0 "a host name that is known" named
same "$(cat "$WORK/err")" "" "is not mentioned"
fake 'exit 2'
exits 0 "a host name that cannot be resolved" named
says err "'$(uname -n)' cannot be resolved.*echo '127.0.1.1 $(uname -n)' >>/etc/hosts" "is named with the line to add"
fake 'exec sleep 100'
exits 0 "a name service that does not answer" timeout 50 sh -c \
    "PATH=$WORK/bin:\$PATH KARMA_LAUNCHER=srun '$LAUNCH' -n 1 /bin/true"
says err "cannot be resolved" "is not waited for"

# --- the command that starts it again ---
exits 0 "the program is told how it was started" env -u KARMA_COMMAND "$LAUNCH" -n 1 sh -c \
    'printf %s "$KARMA_COMMAND"' "it's" '{a: 1}' ''
again=$(cat "$WORK/out")
run sh -c "$again"
same "$(cat "$WORK/out")" "$again" "and typed again, those words start the same"
exits 0 "who set KARMA_COMMAND keeps it" env KARMA_COMMAND="sbatch x" "$LAUNCH" -n 1 sh -c \
    '[ "$KARMA_COMMAND" = "sbatch x" ]'
done_testing
