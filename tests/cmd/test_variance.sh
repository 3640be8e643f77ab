# Training with a critic that sees ahead, groups of environments and the reward of the endpoint: one
# digest for any ranks, in a pipeline, after a kill; an evaluation that needs none of it; refusals.
. tests/cmd/tap.sh
export OPENBLAS_NUM_THREADS=1

tiny=configs/experiments/tiny.yaml
run=$WORK/run
all="--set team.critic=privileged --set train.group=4 --set plant.reward=slo"

trained() { # COMMAND...: the digest it prints last, in $digest
    rm -rf "$run"
    run timeout "$HANGS" "$@" $all --set run.dir="$run"
    digest=$(sed -n '$s/^digest //p' "$WORK/out")
}

column() { # NAME: of metrics.csv, without the head
    awk -F, -v name="$1" '
        NR == 1 { for (i = 1; i <= NF; i++) if ($i == name) column = i }
        NR > 1 { print $column }' "$run/metrics.csv"
}

# --- ranks ---------------------------------------------------------------------------------------
trained "$KARMA" train $tiny --set train.evaluate.every=2 --set train.evaluate.episodes=1
want=$digest
same "${#want}" 16 "a training with all of it prints its digest"
says err "train.group 4: 80 environments play 20 distinct episodes at a time, 199 in the whole" \
    "and how many distinct episodes it plays"
column explained_variance | awk 'NR > 1 && !($1 > 0.2) { bad = 1 } END { exit bad || NR != 5 }'
result $? "the critic explains most of the returns after a few updates"
column ratio_max_dev | awk '$1 != 0 { bad = 1 } END { exit bad }'
result $? "every update starts with probability ratios of exactly 1"
cp "$run/metrics.csv" "$WORK/serial.csv"
cp -R "$run" "$WORK/whole"

trained "$KARMA" train $tiny --set train.pipeline=1
piped=$digest
! [ "$piped" = "$want" ]
result $? "a pipeline is another algorithm"
if [ "${MPI:-1}" = 0 ]; then
    skip "ranks and learners" "built without MPI"
else
    for ranks in 2 3 4; do
        trained "$LAUNCH" -n $ranks "$KARMA" train $tiny --set train.learners=0
        same "$digest" "$want" "$ranks ranks, all learn: the digest"
        holds "and metrics.csv" cmp "$run/metrics.csv" "$WORK/serial.csv"
    done
    trained "$LAUNCH" -n 4 "$KARMA" train $tiny
    same "$digest" "$want" "1 learner, 3 simulate: the digest"
    trained "$LAUNCH" -n 3 "$KARMA" train $tiny --set train.learners=2
    same "$digest" "$want" "2 learners, 1 simulates: the digest"
    trained "$LAUNCH" -n 3 "$KARMA" train $tiny --set train.pipeline=1
    same "$digest" "$piped" "in a pipeline, 3 ranks: the digest"
fi

# --- killed --------------------------------------------------------------------------------------
rm -rf "$run"
"$KARMA" train $tiny $all --set run.dir="$run" --set train.checkpoint_every=1 \
    >"$WORK/killed.out" 2>&1 &
pid=$!
for _ in $(seq 600); do
    [ -e "$run/checkpoints/update-2.ckpt" ] && break
    sleep 0.05
done
kill -9 $pid 2>/dev/null
wait $pid 2>/dev/null
run timeout "$HANGS" "$KARMA" train $tiny $all --set run.dir="$run" --set train.checkpoint_every=1
same "$(sed -n '$s/^digest //p' "$WORK/out")" "$want" "after a kill and a resume: the digest"
holds "and metrics.csv" cmp "$run/metrics.csv" "$WORK/serial.csv"

# --- each alone ----------------------------------------------------------------------------------
for key in team.critic=privileged train.group=8 plant.reward=slo; do
    all="--set $key"
    trained "$KARMA" train $tiny
    [ "${#digest}" = 16 ] && ! [ "$digest" = "$want" ] &&
        ! [ "$digest" = "$(sed -n 's/^scratch //p' tests/golden/tiny.txt)" ]
    result $? "$key alone trains other weights"
done
all="--set team.critic=central --set train.group=1 --set plant.reward=resilience"
trained "$KARMA" train $tiny
same "$digest" "$(sed -n 's/^scratch //p' tests/golden/tiny.txt)" "all off: the committed weights"

# --- cost weights --------------------------------------------------------------------------------
all="--set train.cost=conditioned --set team.critic=privileged --set train.group=4"
trained "$KARMA" train $tiny
drawn=$digest
cp -R "$run" "$WORK/conditioned"
if [ "${MPI:-1}" = 0 ]; then
    skip "drawn cost weights on 3 ranks" "built without MPI"
else
    trained "$LAUNCH" -n 3 "$KARMA" train $tiny
    same "$digest" "$drawn" "drawn cost weights, 3 ranks: the digest"
fi
all="--set train.cost=annealed"
trained "$KARMA" train $tiny
[ "${#digest}" = 16 ] && ! [ "$digest" = "$(sed -n 's/^scratch //p' tests/golden/tiny.txt)" ]
result $? "an annealed cost weight trains other weights"
all="--set train.cost=annealed --set train.cost_start=0.2"
trained "$KARMA" train $tiny
same "$digest" "$(sed -n 's/^scratch //p' tests/golden/tiny.txt)" \
    "annealed from plant.cost_weight itself: the committed weights"

# --- evaluation ----------------------------------------------------------------------------------
play() { # DIR CONTROLLERS: an evaluation of two episodes
    "$KARMA" eval $tiny --set run.dir="$1" --set "eval.controllers=$2" --set eval.episodes=1
}
exits 0 "one policy plays at two cost weights" play "$WORK/conditioned" \
    '[{name: cheap, policy: {cost: 0.8}}, {name: dear, policy: {cost: 0.1}}]'
awk -F, '
    NR == 1 { for (i = 1; i <= NF; i++) { if ($i == "vcpu") v = i; if ($i == "controller") c = i } }
    NR > 1 { sum[$c] += $v }
    END { exit !(sum["cheap"] != sum["dear"] && sum["cheap"] > 0) }' "$WORK/conditioned/eval.csv"
result $? "and plays differently"
exits 2 "a cost weight that was never drawn" play "$WORK/conditioned" '[{policy: {cost: 0.9}}]'
says err "controllers.0.policy.cost: is 0.9, and the policy of .* from 0.1 to 0.8; give one of these" \
    "is refused with the range"
exits 2 "a cost weight for a policy that is told none" play "$WORK/whole" '[{policy: {cost: 0.3}}]'
says err "policy.cost: is 0.3, but the policy of .* one cost weight .0.2.*train.cost: conditioned" \
    "is refused with the remedy"
exits 0 "a policy with a privileged critic plays where nothing of it is known" "$KARMA" eval $tiny \
    --set run.dir="$WORK/whole" --set 'eval.controllers=[{policy: {}}]' --set eval.episodes=1

# --- refusals ------------------------------------------------------------------------------------
printf 'include: [%s]\ntrain:\n  group: 3\n' "$PWD/$tiny" >"$WORK/three.yaml"
exits 2 "a group that divides no tile" "$KARMA" config check "$WORK/three.yaml"
says err "three.yaml:3:10: train.group: is 3, which does not divide a tile of 8.*1, 2, 4 or 8" \
    "is refused with place and remedy"
exits 2 "environments that are no whole groups" "$KARMA" config check $tiny \
    --set train.envs=76 --set train.group=8
says err "train.envs: is 76, which is no multiple of train.group .8.; set it to 80" \
    "are refused with the next number that fits"
exits 2 "a range of cost weights that is none" "$KARMA" config check $tiny \
    --set train.cost=conditioned --set 'train.cost_range=[0.5, 0.2]'
says err "train.cost_range: is .0.5, 0.2.; the first number must be the smaller one" "is refused"
exits 2 "an evaluation at a cost weight that is not drawn" "$KARMA" config check $tiny \
    --set train.cost=conditioned --set plant.cost_weight=2 --set train.evaluate.every=1
says err "plant.cost_weight: is 2, at which train.evaluate would play" "is refused"
refused() { # KEY=VALUE NAME KIND [ARGUMENT...]: a key of another kind of train.cost
    setting=$1 key=$2 kind=$3
    shift 3
    exits 2 "$setting $*" "$KARMA" config check $tiny --set "train.$setting" "$@"
    says err "train.$key: has no effect unless train.cost is $kind; set train.cost to $kind" \
        "is refused with the kind that it belongs to"
}
refused cost_start=0.3 cost_start annealed
refused cost_share=0.1 cost_share annealed --set train.cost=conditioned
refused 'cost_range=[0.1, 0.9]' cost_range conditioned --set train.cost=annealed
exits 0 "their defaults may be written" "$KARMA" config check $tiny --set train.cost_start=0.05 \
    --set train.cost_share=0.5 --set 'train.cost_range=[0.1, 0.8]'
done_testing
