# Disks that are full and limits on the size of files, in whole runs: an exit status, a sentence with the
# file and the reason, `failed` in the status, and what was on the disk before still serves. And a
# checkpoint of another topology that lies where the newest should.
. tests/cmd/tap.sh
export OPENBLAS_NUM_THREADS=1

tiny=configs/experiments/tiny.yaml
run=$WORK/run
updates=12

train() { # ARGUMENT...: exit status in $rc, digest in $digest
    run timeout "$HANGS" "$KARMA" train $tiny --set run.dir="$run" --set train.updates=$updates \
        --set train.checkpoint_every=1 "$@"
    digest=$(sed -n '$s/^digest //p' "$WORK/out")
}

train
undisturbed=$digest
same "${#undisturbed}" 16 "an undisturbed run prints its digest"
cp -R "$run" "$WORK/whole"

interrupted() { # the run as if it had been killed between updates 10 and 11
    rm -rf "$run"
    cp -R "$WORK/whole" "$run"
    rm "$run/checkpoints/update-11.ckpt"
    echo "running update 10 of $updates" >"$run/status"
}

limited() { # BYTES ARGUMENT...: train, with that limit on the size of a file
    blocks=$(($1 / 512))
    shift
    (
        ulimit -f $blocks
        # Open MPI wants files of its own beside ours, unless it is told not to.
        export PMIX_MCA_gds=hash OMPI_MCA_btl=self
        train "$@"
        echo "$rc" >"$WORK/rc"
    )
    rc=$(cat "$WORK/rc")
}

fails() { # PATTERN NAME: the last training ended with 1, a sentence and a status
    same "$rc" 1 "$2: exit status"
    says err "$1" "$2: a sentence with file and reason"
    holds "$2: status" grep -q '^failed' "$run/status"
    same "$(find "$run" -name '*.tmp-*')" "" "$2: no stray file"
}

goes_on() { # NAME: without the limit, from update 10 to the same end
    train
    says err "update-10.ckpt: resumed after update 10 of $updates" "$1: the checkpoint before loads"
    same "$rc $digest" "0 $undisturbed" "$1: the undisturbed digest"
    same "$(cat "$run/status")" "done" "$1: done"
}

size() {
    wc -c <"$1"
}

# --- a checkpoint does not fit -------------------------------------------------------------------
interrupted
for part in 1 2; do # half of it fits; three quarters
    limited $(($(size "$run/checkpoints/update-10.ckpt") * (2 * part - 1) / (2 * part)))
    fails "cannot write '.*update-11.ckpt': File too large" "a limit of $((2 * part - 1))/$((2 * part)) of a checkpoint"
    same "$(cd "$run/checkpoints" && echo *)" "update-10.ckpt" "nothing half written is left"
done
goes_on "after a limit on checkpoints"
holds "metrics.csv is the undisturbed one" cmp "$run/metrics.csv" "$WORK/whole/metrics.csv"

# --- a row of metrics.csv does not fit -----------------------------------------------------------
# Its rows are small beside a checkpoint, so row 10 gets a longer last cell: how a row looks is not
# read again.
interrupted
awk 'NR == 11 { while (length($0) < 400000) $0 = $0 "0000000000000000000000000000000000000000" } 1' \
    "$WORK/whole/metrics.csv" | head -n 11 >"$run/metrics.csv"
limited $(($(size "$run/metrics.csv") + 512))
fails "cannot write '.*metrics.csv': File too large" "a limit on metrics.csv"
rm -f "$run/checkpoints/update-11.ckpt"
goes_on "after a limit on metrics.csv"
tail -n +12 "$run/metrics.csv" >"$WORK/after"
tail -n +12 "$WORK/whole/metrics.csv" | cmp - "$WORK/after" >"$WORK/out" 2>&1
result $? "rows 11 and 12 are the undisturbed ones"

# --- another topology ----------------------------------------------------------------------------
cat >"$WORK/pair.yaml" <<EOF
include: [$PWD/$tiny]
topology:
  services:
    - {name: a, cpu_m: 500, ram_mib: 256, capacity_rps: 100,
       min_replicas: 1, max_replicas: 10, initial_replicas: 4, entry: true, calls: [b]}
    - {name: b, cpu_m: 400, ram_mib: 512, capacity_rps: 80,
       min_replicas: 1, max_replicas: 10, initial_replicas: 5}
EOF
exits 0 "two services are trained" timeout "$HANGS" "$KARMA" train "$WORK/pair.yaml" \
    --set run.dir="$WORK/pair" --set train.updates=2 --set train.checkpoint_every=1
interrupted
cp "$WORK/pair/checkpoints/update-1.ckpt" "$run/checkpoints/update-11.ckpt"
cp -R "$run" "$WORK/before"
train
[ "$rc" != 0 ]
result $? "a checkpoint of another topology is refused"
says err "update-11.ckpt: the checkpoint has [0-9]* parameters, this training [0-9]*" "by its shapes"
holds "no checkpoint was touched" diff -r "$run/checkpoints" "$WORK/before/checkpoints"
rm "$run/checkpoints/update-11.ckpt"
goes_on "without it"

# --- what a user can name ------------------------------------------------------------------------
if [ ! -c /dev/full ]; then
    skip "/dev/full" "this system has none"
    done_testing
    exit 0
fi
rm -rf "$run"
train --set train.updates=3 --dump-update 2 /dev/full
fails "cannot write '/dev/full': No space left on device" "--dump-update 2 /dev/full"
run "$KARMA" train $tiny --set run.dir=/dev/full
[ "$rc" != 0 ]
result $? "run.dir=/dev/full: refused"
says err "/dev/full.*Not a directory|/dev/full.*not a directory" "with a sentence"
printf 'include: [%s]\neval: {controllers: [ff], episodes: 2}\n' "$PWD/$tiny" >"$WORK/small.yaml"
for command in eval "simulate --controller ff"; do
    # shellcheck disable=SC2086
    run timeout "$HANGS" "$KARMA" $command "$WORK/small.yaml" --out /dev/full
    [ "$rc" != 0 ]
    result $? "${command%% *} --out /dev/full: refused"
    says err "/dev/full.*[Nn]ot a directory" "with a sentence"
done
rc=0
timeout "$HANGS" "$KARMA" config doc >/dev/full 2>"$WORK/err" </dev/null || rc=$?
[ "$rc" != 0 ]
result $? "standard output on a full disk is an error, too"
says err "cannot write to standard output: No space left on device" "with a sentence"
done_testing
