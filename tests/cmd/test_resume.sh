# karma train is killed or stopped and goes on, on other ranks: the bits of an undisturbed run.
#
# KILLS=20 (make proof-resume) kills that many times instead of four, every other time in a pipeline.
. tests/cmd/tap.sh
export OPENBLAS_NUM_THREADS=1

tiny=configs/experiments/tiny.yaml
run=$WORK/run
updates=12
seed=${SEED:-$$}
echo "# SEED=$seed"

draw() { # N: a number from 1 to N; the sequence follows from the seed
    seed=$(((seed * 1103515245 + 12345) % 2147483648))
    drawn=$((seed / 65536 % $1 + 1))
}

pipeline=0 # train.pipeline of what follows

train() { # RANKS LEARNERS ARGUMENT...: in the foreground; exit status in $rc
    ranks=$1 learners=$2
    shift 2
    if [ "$ranks" = 1 ]; then
        set -- "$KARMA" train $tiny "$@"
    else
        set -- "$LAUNCH" -n "$ranks" "$KARMA" train $tiny "$@"
    fi
    run timeout "$HANGS" "$@" --set run.dir="$run" --set train.updates=$updates \
        --set train.checkpoint_every=1 --set train.learners="$learners" \
        --set train.pipeline=$pipeline
}

digest_of() { # FILE: the last line's
    sed -n '$s/^digest //p' "$1"
}

# The undisturbed run: what all the others must equal.
train 1 1
want=$(digest_of "$WORK/out")
same "${#want}" 16 "an undisturbed run prints its digest"
cp "$run/metrics.csv" "$WORK/metrics-0.csv"
cp -R "$run" "$WORK/whole"
same "$(cd "$run/checkpoints" && echo *)" "update-10.ckpt update-11.ckpt" \
    "the newest two checkpoints are kept"

want_0=$want

finishes() { # NAME RANKS LEARNERS: the run in $run goes on to the same end
    train "$2" "$3"
    same "$rc $(digest_of "$WORK/out")" "0 $want" "$1, resumed on $2 ranks ($3 learn): the digest"
    holds "$1: metrics.csv" cmp "$run/metrics.csv" "$WORK/metrics-$pipeline.csv"
    same "$(cat "$run/status")" "done" "$1: status"
    same "$(find "$run" -name '*.tmp-*')" "" "$1: no stray file"
}

interrupted() { # the whole run as if it had been killed after update 11
    rm -rf "$run"
    cp -R "$WORK/whole" "$run"
    echo "running update 11 of $updates" >"$run/status"
}

resumes_from() { # N NAME
    says err "update-$1.ckpt: resumed after update $1 of $updates" "$2"
}

# --- a finished run ------------------------------------------------------------------------------
train 1 1
same "$rc $(digest_of "$WORK/out")" "0 $want" "a finished run prints its digest again"
says err "this training is done" "and says that it is done"
run timeout "$HANGS" "$KARMA" train $tiny --set run.dir="$run" --set train.updates=$updates --restart \
    --set train.checkpoint_every=0
same "$rc $(digest_of "$WORK/out")" "0 $want" "--restart trains anew"
holds "and moves the old run aside" test -f "$run.1/policy/weights.bin"
same "$(ls "$run/checkpoints")" "" "train.checkpoint_every 0: no checkpoint"

# --- damage --------------------------------------------------------------------------------------
newest=checkpoints/update-11.ckpt
bytes=$(wc -c <"$WORK/whole/$newest")

damaged() { # NAME: the newest checkpoint was damaged; the one before it serves
    train 1 1
    says err "update-11.ckpt" "$1: a sentence"
    resumes_from 10 "$1: the checkpoint before is used"
    same "$rc $(digest_of "$WORK/out")" "0 $want" "$1: the digest"
}

flip() { # FILE BYTE: one bit
    old=$(od -An -tu1 -j"$2" -N1 "$1" | tr -d ' ')
    printf "\\$(printf %o $((old ^ 4)))" | dd of="$1" bs=1 seek="$2" conv=notrunc 2>/dev/null
}

interrupted
: >"$run/$newest"
damaged "an empty file"
interrupted
head -c $((bytes / 2)) "$WORK/whole/$newest" >"$run/$newest"
damaged "half a file"
interrupted
flip "$run/$newest" $((bytes / 3))
damaged "a flipped bit"
interrupted
echo more >>"$run/$newest"
damaged "a longer file"
holds "the damaged checkpoint is replaced or gone" \
    sh -c "! [ -f '$run/$newest' ] || cmp '$run/$newest' '$WORK/whole/$newest'"

interrupted
: >"$run/$newest"
: >"$run/checkpoints/update-10.ckpt"
train 1 1
same $rc 1 "nothing but damaged checkpoints: refused"
says err "no checkpoint there is whole; train anew with --restart" "with a sentence"
holds "and the run stays as it is" cmp "$run/metrics.csv" "$WORK/metrics-$pipeline.csv"

# --- another configuration -----------------------------------------------------------------------
interrupted
train 1 1 --set train.seed=2 --set mappo.lr=0.02
same $rc 2 "another configuration is refused"
says err "mappo.lr: 0.01 -> 0.02; train.seed: 1 -> 2" "by the keys that differ"
printf 'include: %s/%s\neval: {seed: 77}\nteam: {row_block: 8}\n' "$PWD" "$tiny" >"$WORK/other.yaml"
own=$tiny tiny=$WORK/other.yaml
train 1 1
tiny=$own
same "$rc $(digest_of "$WORK/out")" "0 $want" "one that differs in evaluation and speed is not"

# --- a place that takes no file ------------------------------------------------------------------
if [ -d /proc/self ]; then
    rm -rf "$run"
    mkdir -p "$run"
    ln -s /proc/self "$run/checkpoints"
    train 1 1
    same "$rc" 1 "a checkpoint that cannot be written ends the run"
    says err "cannot create .*update-0.ckpt" "with a sentence"
    holds "in the status, too" grep -q "^failed" "$run/status"
    rm "$run/checkpoints"
else
    skip "a checkpoint that cannot be written" "needs Linux's /proc"
fi

# --- a pipeline ---
pipeline=1
rm -rf "$run"
train 1 1
want=$(digest_of "$WORK/out")
want_1=$want
same "${#want}" 16 "a pipeline prints its digest"
holds "which is another one" [ "$want_1" != "$want_0" ]
cp "$run/metrics.csv" "$WORK/metrics-1.csv"
rm -rf "$run.whole"
mv "$run" "$run.whole"
cp -R "$run.whole" "$run"
echo "running update 11 of $updates" >"$run/status"
finishes "a pipeline that stopped after update 11" 1 1
rm -rf "$run"
train 1 1 --set train.init=clone --set train.updates=2 --dump-update 1 "$WORK/dump"
same $rc 2 "--dump-update in a pipeline is refused"
says err "train.pipeline=0" "with a remedy"
pipeline=0 want=$want_0

# --- kills and requests --------------------------------------------------------------------------
if [ "${MPI:-1}" = 0 ] || [ ! -r /proc/self/stat ]; then
    skip "killed ranks" "needs MPI and Linux's /proc"
    done_testing
    exit 0
fi

shape() { # a random number of ranks and learners: $ranks $learners
    draw 4
    ranks=$drawn learners=1
    if [ "$ranks" -gt 1 ]; then
        draw "$ranks"
        learners=$((drawn - 1)) # 0: all learn
    fi
}

begin() { # ARGUMENT...: in the background on a random shape; the launcher in $job
    shape
    [ "$ranks" -gt 1 ] || ranks=2
    "$LAUNCH" -n "$ranks" "$KARMA" train $tiny --set run.dir="$run" --set train.updates=$updates \
        --set train.checkpoint_every=1 --set train.learners="$learners" \
        --set train.pipeline=$pipeline "$@" >"$WORK/out" 2>"$WORK/err" </dev/null &
    job=$!
}

has_done() { # N
    now=$(sed -n 's/^running update \([0-9]*\) .*/\1/p' "$run/status" 2>/dev/null)
    [ "${now:-0}" -ge "$1" ] || grep -qs '^\(done\|stopped\)' "$run/status"
}

wait_for() { # N: at least that many updates are done
    wait_until has_done "$1"
}

met=0
kills=${KILLS:-4}
i=0
while [ $i -lt "$kills" ] || { [ $met = 0 ] && [ $i -lt $((kills + 20)) ]; }; do
    i=$((i + 1))
    pipeline=$((i % 2))
    [ $pipeline = 1 ] && want=$want_1 || want=$want_0
    rm -rf "$run"
    begin
    draw $((updates - 3))
    wait_for "$drawn"
    draw 100
    sleep "0.0$((drawn - 1))"
    pids=$(descendants $job karma)
    draw "$(echo "$pids" | wc -l)"
    kill -KILL "$(echo "$pids" | sed -n "${drawn}p")" 2>/dev/null
    killed=$drawn of=$ranks
    rc=0
    wait $job || rc=$?
    [ $rc = 0 ] || met=$((met + 1))
    shape
    finishes "kill $i: process $killed of $of" "$ranks" "$learners"
done
[ $met -gt 0 ]
result $? "some of the runs were met by the kill ($met of $i)"

pipeline=0 want=$want_0

ask() { # NAME: SIGUSR1 to the launcher of $job
    kill -USR1 $job
    rc=0
    wait $job || rc=$?
    same $rc 5 "$1: exit status 5"
}

stops() { # NAME: asked at a random moment, then resumed on a random shape
    draw 100
    sleep "0.$((drawn + 99))"
    ask "$1"
    stopped=$(sed -n 's/^stopped after update \([0-9]*\) .*/\1/p' "$run/status")
    holds "$1: a checkpoint of that update" test -s "$run/checkpoints/update-$stopped.ckpt"
    same "$(find "$run" -name '*.tmp-*')" "" "$1: no stray file"
    shape
    train "$ranks" "$learners" "$2" "$3" "$4" "$5"
    same "$rc $(digest_of "$WORK/out")" "0 $6" "$1: resumed on $ranks ranks ($learners learn)"
}

# Nearly all of the time goes where the signal shall meet the run: a rollout takes a second there,
# an update a few milliseconds; then the other way round.
for place in "rollout --set train.steps=400 --set mappo.epochs=1" \
    "update --set train.steps=24 --set mappo.epochs=40"; do
    # shellcheck disable=SC2086
    set -- $place
    where=$1
    shift
    rm -rf "$run"
    train 1 1 "$@" --set train.checkpoint_every=0
    there=$(digest_of "$WORK/out")
    rm -rf "$run"
    begin "$@"
    wait_for 3
    stops "SIGUSR1 in mid-$where" "$@" "$there"
done

rm -rf "$run"
begin --set train.init=clone --set train.clone.passes=400
wait_until grep -qs . "$run/status"
ask "SIGUSR1 before the first update"
same "$(cat "$run/status")" "stopped before the first update of $updates" \
    "SIGUSR1 before the first update: status"
train 1 1 --set train.init=clone
same "$rc" 0 "SIGUSR1 before the first update: the run starts anew"
done_testing
