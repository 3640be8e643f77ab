# karma doctor: what it prints on a machine that is well, alone and on ranks; findings that can be
# provoked here, each with its status; and that it leaves nothing behind. Findings about other hosts,
# clocks and CPUs are provoked in tests/unit/test_doctor.c.
. tests/cmd/tap.sh

mkdir -p "$WORK/runs" "$WORK/tmp"
doctor() { # OPTION...: on a directory of this test
    "$KARMA" doctor --dir "$WORK/runs" "$@"
}
clean() { # NAME: every line has a level and a topic; nothing is left
    same "$(sed '$d' "$WORK/out" | grep -Evc '^(ok|warning|error)  ')" 0 "$1: each line begins with its level"
    same "$(grep -E '^(warning|error) ' "$WORK/out" | grep -vc 'Remedy')" 0 "$1: each warning has a remedy"
    same "$(find "$WORK/runs" "$WORK/tmp" -name 'karma-doctor*')" "" "$1: nothing is left behind"
}

exits 0 "this machine" doctor --memory 1 --space 1
says out '^[0-9]+ ok, [0-9]+ warnings?, 0 errors$' "the last line counts"
same "$(cat "$WORK/err")" "" "nothing on standard error"
clean "this machine"
for topic in MPI launcher 'start of MPI' CPU arithmetic BLAS cores memory 'output directory' 'free space' locks clock 'temporary files'; do
    says out "^(ok|warning) +$topic  " "a line about: $topic"
done
exits 0 "a directory that a run would make" "$KARMA" doctor --dir "$WORK/runs/a/b" --memory 1 --space 1
says out '^ok .*output directory.* which a run will make' "is found to be possible"
holds "and is not made" test ! -e "$WORK/runs/a"

# ---- findings ----
exits 1 "more memory than there is" doctor --memory 1000000000
says out '^error +memory .*1 rank of|^error +memory .* 1 rank needs' "is an error"
clean "memory"
exits 1 "more space than there is" doctor --space 2000000000 --memory 1
says out '^error +free space ' "is an error"
exits 1 "an output directory that is a file" sh -c ': >"$1/file"; exec "$2" doctor --dir "$1/file"' sh "$WORK" "$KARMA"
says out '^error +output directory .*Not a directory' "is an error"
if [ "$(id -u)" != 0 ]; then
    mkdir -p "$WORK/closed"
    chmod 500 "$WORK/closed"
    exits 1 "a directory that may not be written" "$KARMA" doctor --dir "$WORK/closed"
    says out '^error +output directory .*Permission denied' "is an error"
elif command -v setpriv >/dev/null && setpriv --reuid 65534 --clear-groups test -x "$KARMA" 2>/dev/null; then
    mkdir -p "$WORK/closed"
    chmod 755 "$WORK/closed"
    exits 1 "a directory that may not be written" setpriv --reuid 65534 --clear-groups "$KARMA" doctor --dir "$WORK/closed"
    says out '^error +output directory .*Permission denied' "is an error"
else
    skip "a directory that may not be written" "root may write everywhere, and setpriv cannot change that here"
fi
exits 1 "a small limit on files" sh -c 'ulimit -f 8; exec "$1" doctor --dir "$2/runs"' sh "$KARMA" "$WORK"
says out '^error +limits .*ulimit -f unlimited' "is an error"
clean "a small limit on files"
exits 0 "few open files" sh -c 'ulimit -n 64; exec "$1" doctor --dir "$2/runs" --memory 1 --space 1' sh "$KARMA" "$WORK"
says out '^warning +limits .*may open 64 files only' "is a warning"
exits 0 "a limit on CPU time" sh -c 'ulimit -t 500; exec "$1" doctor --dir "$2/runs" --memory 1 --space 1' sh "$KARMA" "$WORK"
says out '^warning +limits .*500 s of CPU time' "is a warning"
exits 0 "a host without a name" env RES_OPTIONS='timeout:1 attempts:1' "$KARMA" doctor --dir "$WORK/runs" \
    --memory 1 --space 1 --host no-such-host.invalid
says out "^warning +host name .*'no-such-host.invalid' cannot be resolved" "is a warning"
says out "echo '127.0.1.1 no-such-host.invalid' >>/etc/hosts" "with the line to type"
exits 1 "a TMPDIR that does not exist" env TMPDIR="$WORK/none" "$KARMA" doctor --dir "$WORK/runs"
says out "^error +temporary files .*$WORK/none: No such file" "is an error, said before MPI starts"
if [ "${MPI:-1}" = 1 ] && command -v orted >/dev/null; then
    exits 1 "a PATH without the programs of MPI" env PATH=/nowhere "$KARMA" doctor --dir "$WORK/runs"
    says out '^error +programs +orted' "is an error, said before MPI starts"
fi

# ---- how it was started ----
slurm() { # VARIABLE=VALUE... COMMAND...: as in a job of Slurm
    env SLURM_JOB_ID=12 SLURM_PROCID=0 SLURM_JOB_NUM_NODES=1 "$@"
}
if [ "${MPI:-1}" = 1 ]; then
    exits 1 "a task of srun without PMIx" slurm SLURM_NTASKS=2 SLURM_STEP_ID=0 SLURM_STEP_NUM_TASKS=2 "$KARMA" doctor
    says out '^error +launcher .*without PMIx.*Remedy: srun --mpi=pmix' "is the one finding"
    same "$(wc -l <"$WORK/out")" 2 "and MPI is not started"
    exits 1 "another task of it" slurm SLURM_NTASKS=2 SLURM_STEP_ID=0 SLURM_STEP_NUM_TASKS=2 SLURM_PROCID=1 "$KARMA" doctor
    same "$(cat "$WORK/out")" "" "says nothing"
    exits 1 "a foreign launcher" env PMI_SIZE=3 PMI_RANK=0 "$KARMA" doctor --dir "$WORK/runs" --memory 1 --space 1
    says out '^error +launcher .*started 3 processes, but each of them is a job of one rank' "is an error"
fi
exits 0 "a job of Slurm with idle tasks" slurm SLURM_NTASKS=4 "$KARMA" doctor --dir "$WORK/runs" --memory 1 --space 1
says out '^warning +launcher .*job 12 has 4 tasks, but 1 rank runs' "is a warning"

# ---- on ranks ----
if [ "${MPI:-1}" = 1 ]; then
    exits 0 "three ranks" "$LAUNCH" -n 3 "$KARMA" doctor --dir "$WORK/runs" --memory 1 --space 1
    says out 'mpirun of Open MPI: 3 ranks on 1 host|mpiexec.*: 3 ranks on 1 host' "are counted"
    same "$(grep -c '^ok \|^warning ' "$WORK/out")" "$(($(wc -l <"$WORK/out") - 1))" "one report, of rank 0"
    clean "three ranks"
    exits 1 "three ranks, too little memory" "$LAUNCH" -n 3 "$KARMA" doctor --dir "$WORK/runs" --memory 1000000000
    says out '^error +memory .*3 ranks need ' "an error of all of them"
    clean "three ranks, too little memory"
    if command -v taskset >/dev/null && [ "$(nproc)" -ge 2 ]; then
        cat >"$WORK/bound" <<'B'
#!/bin/sh
case ${OMPI_COMM_WORLD_RANK:-${PMI_RANK:-0}} in
2) exec "$@" ;;
*) exec taskset -c 0 "$@" ;;
esac
B
        chmod +x "$WORK/bound"
        exits 0 "two ranks on one core" "$LAUNCH" --for "$KARMA" -n 2 "$WORK/bound" "$KARMA" doctor --dir "$WORK/runs" --memory 1 --space 1
        says out '^warning +cores .*2 ranks share 1 core' "is a warning"
    else
        skip "two ranks on one core" "needs taskset and two CPUs"
    fi
fi

# ---- usage ----
exits 0 "--help" "$KARMA" doctor --help
exits 2 "an operand" "$KARMA" doctor x
exits 2 "memory that is no number" "$KARMA" doctor --memory lots
exits 1 "an output that is full" sh -c '"$1" doctor --dir "$2/runs" --memory 1 --space 1 >/dev/full' sh "$KARMA" "$WORK"
clean "an output that is full"
done_testing
