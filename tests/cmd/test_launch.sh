# The launcher's choices, read from the commands that it would start.
. tests/cmd/tap.sh

print() {
    run "$LAUNCH" --print "$@"
}

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

if ! mpirun --version 2>/dev/null | grep -q 'Open MPI'; then
    skip "the flags for Open MPI" "mpirun is not Open MPI's"
else
    export KARMA_LAUNCHER=openmpi
    unset SLURM_JOB_ID SLURM_JOB_NUM_NODES
    print -n 1 /bin/true
    says out "OPENBLAS_NUM_THREADS=1" "OpenBLAS starts no threads"
    ! grep -q 'versubscribe\|OVERSUBSCRIBE\|yield' "$WORK/out"
    result $? "one rank never oversubscribes"
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
done_testing
