# A training whose step is far too large says so: in its log with the agent and the update where it
# began, in its last lines and in its status.
. tests/cmd/tap.sh
export OPENBLAS_NUM_THREADS=1

train() { # DIR OPTION...
    dir=$1
    shift
    "$KARMA" train configs/experiments/tiny.yaml --set run.dir="$WORK/$dir" --set train.updates=4 "$@"
}

exits 0 "a sound training" train sound
same "$(cat "$WORK/sound/status")" "done" "its status says done and nothing else"
! grep -q 'near certainty' "$WORK/err"
result $? "and no agent is suspected"

exits 0 "a step of 1" train huge --set mappo.lr=1 --set mappo.lr_end=1
digest=$(tail -n 1 "$WORK/out")
cp "$WORK/err" "$WORK/huge.err"
says err "^warn: update [1-4]: the choices of agent '[a-z]+' have collapsed \(entropy 0\.0" \
    "names agent and update when it happens"
says err "^warn: agent '[a-z]+' has made one choice with near certainty since update [1-4] of 4; .*--set mappo.lr=0.1" \
    "and at the end, with what to type"
holds "the status says it too" \
    grep -Eqx "done; agent '[a-z]+' collapsed since update [1-4]" "$WORK/huge/status"
update=$(sed -n 's/.*since update //p' "$WORK/huge/status")
same "$(grep -c "^warn: update $update: " "$WORK/huge.err")" 1 "of the same update"
exits 0 "the same command again" train huge --set mappo.lr=1 --set mappo.lr_end=1
same "$(tail -n 1 "$WORK/out")" "$digest" "finds the training done"
done_testing
