# The method rlad: the same tables for any number of ranks and after a resume, a policy that is
# played, and a sentence for each thing that does not fit.
. tests/cmd/tap.sh

tiny=configs/experiments/tiny.yaml
digest() { sed -n 's/^digest //p' "$WORK/out"; }
exploration() { # ALGORITHM: as in the published code
    case $1 in dyna_q_2) echo decaying ;; *) echo constant ;; esac
}
# Committed digests: written anew only by a change that is meant to change what is learned.
golden() { sed -n "s/^$1 //p" tests/golden/rlad.txt; }

for algorithm in model_based q_learning dyna_q dyna_q_2; do
    method="method={rlad: {algorithm: $algorithm, exploration: $(exploration $algorithm)}}"
    exits 0 "$algorithm on one rank" "$KARMA" train $tiny --set "$method" --set run.dir="$WORK/$algorithm"
    same "$(digest)" "$(golden $algorithm)" "has the committed digest"
    if [ "${MPI:-1}" = 1 ]; then
        for ranks in 2 3; do
            exits 0 "$algorithm on $ranks ranks" mpi/launch -n $ranks "$KARMA" train $tiny --set "$method" \
                --set run.dir="$WORK/$algorithm-$ranks"
            same "$(digest)" "$(golden $algorithm)" "the same digest on $ranks ranks"
        done
    fi
    parts=$WORK/$algorithm-parts
    exits 0 "in two parts: the first" "$KARMA" train $tiny --set "$method" --set run.dir="$parts" \
        --set train.checkpoint_every=2
    rm -rf "$parts/policy" "$parts/checkpoints/5"
    echo running >"$parts/status"
    exits 0 "in two parts: the second" "$KARMA" train $tiny --set "$method" --set run.dir="$parts"
    says err "update 4" "goes on from a checkpoint"
    same "$(digest)" "$(golden $algorithm)" "the same digest after a resume"
done
if [ "${MPI:-1}" = 1 ]; then
    exits 0 "two of three ranks learn" mpi/launch -n 3 "$KARMA" train $tiny --set method=rlad \
        --set train.learners=2 --set run.dir="$WORK/learners"
    same "$(digest)" "$(golden model_based)" "the same digest"
fi
says_columns() { head -n 1 "$WORK/model_based/metrics.csv" | grep -q 'q_moved,states_seen'; }
holds "metrics.csv has the learner's columns" says_columns
exits 0 "with the reward of KARMA" "$KARMA" train $tiny --set 'method={rlad: {reward: karma}}' \
    --set run.dir="$WORK/karma"
holds "learns something else" test "$(digest)" != "$(golden model_based)"

# --- played ---
tables() { # DIR: a controller of its policy
    echo "eval.controllers=[nothing, {name: tables, policy: {policies: [$1]}}]"
}
exits 0 "evaluated" "$KARMA" eval $tiny --set "$(tables "$WORK/model_based")" --set eval.resamples=100 \
    --set eval.trajectories=all --out "$WORK/eval"
says out "tables: the most probable choice \(arg-max\); trained by rlad from scratch, 5 updates" "says by what"
exits 0 "behind a shield, a step at a time" "$KARMA" eval $tiny --set "$(tables "$WORK/q_learning")" \
    --set eval.resamples=100 --set eval.shield=true --set eval.step_bound=1 --out "$WORK/shield"
exits 0 "simulated" "$KARMA" simulate $tiny --set "$(tables "$WORK/dyna_q")" -c tables --out "$WORK/episode"

# --- what does not fit ---
refused() { # NAME PATTERN METHOD SET...
    what=$1 pattern=$2 method=$3
    shift 3
    exits 2 "$what" "$KARMA" train $tiny --set "method={rlad: $method}" --set run.dir="$WORK/never" "$@"
    says err "$pattern" "says why"
    holds "nothing was written" test ! -e "$WORK/never"
}
refused "no costs" "method.rlad.lateness.*resources are both 0" '{resources: 0, lateness: 0}'
refused "too many transitions" "take [0-9]+ MiB; 256 are the limit: lower train.envs" \
    '{algorithm: dyna_q}' --set train.envs=80000 --set train.steps=100
refused "an unknown algorithm" "sarsa.*model_based, q_learning, dyna_q, dyna_q_2" '{algorithm: sarsa}'
refused "a discount of 1" "method.rlad.gamma" '{gamma: 1}'
exits 1 "a policy for other services" "$KARMA" eval $tiny --set "$(tables "$WORK/model_based")" \
    --out "$WORK/no" --set 'topology.services=[{name: alone, entry: true}]'
says err "the policy was trained for .* services: .*, and this topology has" "says which"
exits 1 "a policy with other bounds" "$KARMA" eval $tiny --set "$(tables "$WORK/model_based")" \
    --out "$WORK/no" --set topology.services.0.max_replicas=9
says err "'a.replicas of 1 to 10' in the policy and 'a.replicas of 1 to 9' here" "says which"
holds "nothing half-written" test ! -e "$WORK/no"
done_testing
