# Gym-HPA as a method of training: the same weights on any ranks and after a resume, its policy beside
# KARMA's in one evaluation, its variants, and what is refused.
. tests/cmd/tap.sh

tiny=configs/experiments/tiny.yaml
own=configs/experiments/opponents/gym_hpa_own.yaml
digest() { sed -n 's/^digest //p' "$WORK/out"; }
train() { # DIR OPTION...
    dir=$1
    shift
    "$KARMA" train $tiny --set run.dir="$WORK/$dir" --set method=gym_hpa --set train.updates=3 "$@"
}

exits 0 "trained on one rank" train one --set train.checkpoint_every=1
trained=$(digest)
if [ "${MPI:-1}" = 1 ]; then
    for ranks in 2 3; do
        exits 0 "trained on $ranks ranks" "$LAUNCH" -n $ranks "$KARMA" train $tiny --set method=gym_hpa \
            --set train.updates=3 --set run.dir="$WORK/ranks$ranks"
        same "$(digest)" "$trained" "the same digest on $ranks ranks"
    done
fi
rm -rf "$WORK/one/policy"
rm -f "$WORK"/one/checkpoints/update-3*
echo running >"$WORK/one/status"
exits 0 "resumed" train one --set train.checkpoint_every=1
says err "resumed after update 2 of 3" "from a checkpoint"
same "$(digest)" "$trained" "the same digest after a resume"
exits 0 "with input normalisation" train norm --set 'method={gym_hpa: {normalise: true}}'
[ "$(digest)" != "$trained" ]
result $? "other weights"
exits 0 "for KARMA's reward" train paid --set 'method={gym_hpa: {reward: karma}}'
[ "$(digest)" != "$trained" ]
result $? "other weights"
exits 0 "for the goal latency" train fast --set 'method={gym_hpa: {goal: latency}}'
same "$(awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == "step_reward") c = i }
    NR > 1 && ($c > 0 || $c < -3000) { print }' "$WORK/fast/metrics.csv")" "" "rewards are latencies"
exits 0 "KARMA's own" "$KARMA" train $tiny --set run.dir="$WORK/karma" --set train.updates=1

both="eval.controllers=[nothing, {name: gym, policy: {policies: [$WORK/one]}}, {name: drawn, policy: {policies: [$WORK/norm], mode: sample}}, {name: own, policy: {policies: [$WORK/karma]}}]"
exits 0 "evaluated beside it" "$KARMA" eval $tiny --set "$both" --set eval.resamples=100 --set eval.episodes=3 \
    --out "$WORK/eval"
says out "gym: the most probable choice \(arg-max\); trained by gym_hpa from scratch, 3 updates" "says how it was trained"
exits 0 "behind a shield, a step at a time" "$KARMA" eval $tiny --set "$both" --set eval.resamples=100 \
    --set eval.episodes=2 --set eval.shield=true --set eval.step_bound=1 --out "$WORK/shield"
exits 0 "again" "$KARMA" eval $tiny --set "$both" --set eval.resamples=100 --set eval.episodes=3 --out "$WORK/again"
holds "with the same rows" cmp "$WORK/eval/eval.csv" "$WORK/again/eval.csv"

exits 1 "on another topology" "$KARMA" eval $own --out "$WORK/no" \
    --set "eval.controllers=[{policy: {policies: [$WORK/one]}}]"
says err "one/policy/weights.bin: the policy was trained for 4 services: a, b, c, d, and this topology has 2 services: leader, " \
    "names both"
exits 2 "a batch shorter than a rollout" train no --set train.steps=65
says err "method.gym_hpa.ppo.batch.*set train.steps to 64 or less" "says what to set"
exits 2 "groups" train no --set train.group=2
says err "train.group: is 2, but the PPO of gym_hpa knows no groups; set it to 1" "are refused"
exits 0 "a step of 1" train huge --set 'method={gym_hpa: {normalise: true, ppo: {lr: 1}}}'
says err "warn: agent 'gym_hpa' has made one choice with near certainty .*--set method.gym_hpa.ppo.lr=0.1" \
    "advises in its own keys"
exits 2 "a dump of raw values" train no --dump-update 1 "$WORK/dump"
says err "--dump-update: a dump has no word for values without PopArt" "is refused"
exits 2 "a parameter of another method" train no --set 'method={karma: {goal: cost}}'
holds "nothing was written" test ! -e "$WORK/no"
done_testing
