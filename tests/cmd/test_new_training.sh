# A new method of training is one file and one line of the registry: karma_extra is karma with the
# method `bandit` (tests/extra), whose interface, reward and learner are its own. It is trained,
# resumed and played like KARMA's own, and what does not fit together is refused.
. tests/cmd/tap.sh

extra=$BUILD/tests/extra/karma_extra
tiny=configs/experiments/tiny.yaml
digest() { sed -n 's/^digest //p' "$WORK/out"; }

exits 0 "config doc" "$extra" config doc
says out "^# +bandit: +# one agent that counts rewards" "documents the method"
says out "^# +price: 0.01 +# of a pod; a number from 0 to 1" "and its parameters"
says out "^  karma: \{\} +# agents with roles that learn by MAPPO" "the default beside it"

# --- training: any ranks, an interruption, evaluation meanwhile ---
exits 0 "trained on one rank" "$extra" train $tiny --set method=bandit --set run.dir="$WORK/one" \
    --set train.evaluate.every=2 --set train.evaluate.episodes=2
trained=$(digest)
same "$(awk -F, 'NR > 1 { print $1 }' "$WORK/one/convergence.csv" | tr '\n' ' ')" "2 4 " \
    "evaluated during the training"
if [ "${MPI:-1}" = 1 ]; then
    for ranks in 2 3; do
        exits 0 "trained on $ranks ranks" mpi/launch -n $ranks "$extra" train $tiny --set method=bandit \
            --set run.dir="$WORK/ranks$ranks"
        same "$(digest)" "$trained" "the same digest on $ranks ranks"
    done
fi
exits 0 "in two parts: the first" "$extra" train $tiny --set method=bandit --set run.dir="$WORK/parts" \
    --set train.checkpoint_every=2
rm -rf "$WORK/parts/policy" "$WORK/parts/checkpoints/5"
echo running >"$WORK/parts/status"
exits 0 "in two parts: the second" "$extra" train $tiny --set method=bandit --set run.dir="$WORK/parts"
says err "update 4" "goes on from a checkpoint"
same "$(digest)" "$trained" "the same digest after a resume"
exits 0 "of a run that is done" "$extra" train $tiny --set method=bandit --set run.dir="$WORK/one"
same "$(digest)" "$trained" "the digest is that of its policy"
exits 0 "KARMA's own method" "$extra" train $tiny --set run.dir="$WORK/own"
same "$(digest)" "$(sed -n 's/^scratch //p' tests/golden/tiny.txt)" "has the digest that it always had"

# --- its policy beside another one ---
both="eval.controllers=[nothing, {name: bandit, policy: {policies: [$WORK/one]}}, {name: own, policy: {policies: [$WORK/own]}}]"
exits 0 "both in one evaluation" "$extra" eval $tiny --set "$both" --set eval.resamples=100 --out "$WORK/both" \
    --set eval.trajectories=all
says out "bandit: the most probable choice \(arg-max\); trained by bandit from scratch, 5 updates" "says which method"
says out "own: the most probable choice \(arg-max\); trained from scratch, 5 updates" "and nothing where it is KARMA's"
exits 0 "simulated" "$extra" simulate $tiny --set "$both" -c bandit --out "$WORK/one-episode"

# --- what does not fit ---
refused() { # NAME PATTERN SET...
    what=$1 pattern=$2
    shift 2
    exits 2 "$what" "$extra" train "${config:-$tiny}" --set method=bandit --set run.dir="$WORK/never" "$@"
    says err "$pattern" "says why"
    holds "nothing was written" test ! -e "$WORK/never"
}
config=configs/experiments/tiny_organised.yaml
refused "an organisation" "organisation.*has agents, but a team that is trained by bandit has no roles"
config=$tiny
refused "a mask of the shield" "train.shield.*is mask, which bandit knows nothing of" --set train.shield=mask
refused "cloning" "train.init.*is clone, but a team that is trained by bandit imitates nobody" --set train.init=clone
refused "a drawn cost weight" "train.cost.*is not fixed, but bandit is told no cost weight" --set train.cost=annealed
refused "parameters that contradict each other" "method.bandit.price.*is 0.5; set it below high \(0.4\)" \
    --set 'method={bandit: {price: 0.5, high: 0.4}}'
refused "two methods" "bandit.*karma|karma.*bandit" --set 'method={karma: {}, bandit: {}}'
exits 1 "a policy of another topology" "$extra" eval $tiny --set "$both" --out "$WORK/no" \
    --set 'topology.services=[{name: alone, entry: true}]'
says err "the policy was trained for 4 services: a, b, c, d, and this topology has" "says which"
exits 2 "a run of another method is not resumed" "$extra" train $tiny --set run.dir="$WORK/one"
says err "holds a run of another configuration.*method: bandit -> karma" "says what differs"
exits 1 "karma does not know the method" "$KARMA" eval $tiny --set "$both" --out "$WORK/no"
says err "the policy was trained with 1 agents" "so shapes differ"
holds "nothing half-written" test ! -e "$WORK/no"
done_testing
