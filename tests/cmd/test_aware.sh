# The method aware: trained with a heuristic that hands over, on any number of ranks, in parts, and
# played; what does not fit is refused with a sentence.
. tests/cmd/tap.sh

tiny=configs/experiments/tiny.yaml
small="--set method.aware.encoder_units=8 --set method.aware.epochs=2 --set method.aware.minibatches=3"
digest() { sed -n 's/^digest //p' "$WORK/out"; }

# --- training: any ranks, an interruption ---
exits 0 "trained on one rank" "$KARMA" train $tiny --set method=aware $small --set run.dir="$WORK/one"
trained=$(digest)
says err "aware: the agents take over from the heuristic: the mean return of [0-9]+ episodes" "says who acts"
same "$(awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == "mode") c = i }
    NR > 1 { print $c }' "$WORK/one/metrics.csv" | sort -u | tr '\n' ' ')" "0 1 " "both stand in metrics.csv"
if [ "${MPI:-1}" = 1 ]; then
    for ranks in 2 3; do
        exits 0 "trained on $ranks ranks" mpi/launch -n $ranks "$KARMA" train $tiny --set method=aware \
            $small --set run.dir="$WORK/ranks$ranks"
        same "$(digest)" "$trained" "the same digest on $ranks ranks"
    done
    exits 0 "split into simulating and learning ranks" mpi/launch -n 3 "$KARMA" train $tiny \
        --set method=aware $small --set train.learners=1 --set run.dir="$WORK/split"
    same "$(digest)" "$trained" "the same digest with one learner of three ranks"
    for ranks in 1 3; do
        exits 0 "in a pipeline on $ranks ranks" mpi/launch -n $ranks "$KARMA" train $tiny \
            --set method=aware $small --set train.pipeline=1 --set run.dir="$WORK/ahead$ranks"
        digest >"$WORK/ahead$ranks.txt"
    done
    same "$(cat "$WORK/ahead3.txt")" "$(cat "$WORK/ahead1.txt")" "the same digest on both"
fi
exits 0 "in two parts: the first" "$KARMA" train $tiny --set method=aware $small \
    --set run.dir="$WORK/parts" --set train.checkpoint_every=2
rm -rf "$WORK/parts/policy" "$WORK/parts/checkpoints/5"
echo running >"$WORK/parts/status"
exits 0 "in two parts: the second" "$KARMA" train $tiny --set method=aware $small --set run.dir="$WORK/parts"
says err "update 4" "goes on from a checkpoint"
same "$(digest)" "$trained" "the same digest after a resume"

# --- played ---
exits 0 "evaluated" "$KARMA" eval $tiny --set method=aware $small --set run.dir="$WORK/one" \
    --set 'eval.controllers=[nothing, {name: aware, policy: {}}]' --set eval.resamples=100 --out "$WORK/eval"
says out "aware: the most probable choice \(arg-max\); trained by aware from scratch, 5 updates" "says how"

# --- what does not fit ---
refused() { # NAME PATTERN SET...
    what=$1 pattern=$2
    shift 2
    exits 2 "$what" "$KARMA" train $tiny --set method=aware --set run.dir="$WORK/never" "$@"
    says err "$pattern" "says why"
    holds "nothing was written" test ! -e "$WORK/never/policy"
}
refused "rollouts shorter than an episode" \
    "method.aware.episode_steps is 30, but a rollout has 24 decisions .train.steps., so no episode would be whole; set train.steps to 30 or more" \
    --set method.aware.episode_steps=30
refused "nobody to compare" \
    "method.aware.bootstrap.trial_share is 0.001, of 80 environments .train.envs. that is 0" \
    --set method.aware.bootstrap.trial_share=0.001
refused "a heuristic with foresight" "method.aware.bootstrap.rule.*its rule is oracle, which needs foresight" \
    --set method.aware.bootstrap.rule=oracle
refused "cloning by the trainer" "train.init.*is clone, but a team that is trained by aware imitates nobody" \
    --set train.init=clone
refused "a word that is no reward" "method.aware.reward" --set method.aware.reward=both
done_testing
