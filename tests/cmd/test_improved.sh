# mk/improved on the chain, from traces to a table, at a tiny size: a twin is fitted, policies are trained
# and evaluated, and policies of the diamond are played beside them; every other setting is a valid
# configuration; a policy is refused where the services are others, with their names.
. tests/cmd/tap.sh
export OPENBLAS_NUM_THREADS=1

tiny='train.updates=1 train.envs=8 train.steps=5 train.group=4 mappo.epochs=1 game.horizon=10'
improved() { # SETTING OPTION...
    env KARMA="$KARMA" RANKS=1 JOBS=1 RUNS="$WORK/runs" RESULTS="$WORK/results" SEEDS="1 2" EPISODES=2 TRAIN="$tiny" \
        TRACES="--validation 25 --held-out 10 --set game.horizon=20 --set eval.episodes=20 --set eval.controllers=[explore,khpa]" \
        sh mk/improved "$@" --set eval.resamples=100 --set game.horizon=10 --set eval.frontier=[]
}

# Policies of the diamond, trained on the simulator: the setting is that of improved.yaml.
for seed in 1 2; do
    # shellcheck disable=SC2046
    "$KARMA" train configs/experiments/improved.yaml --set 'twin.file=""' --set twin.kind=mlp \
        $(for one in $tiny; do printf ' --set %s' "$one"; done) --set train.seed=$seed \
        --set "run.dir=$WORK/runs/improved/policy-$seed" >"$WORK/log" 2>&1
done
exits 0 "the chain, from traces to a table" improved chain
table=$WORK/results/tables/improved_chain.md
same "$(grep -c '| moved ' "$table" | sed 's/[1-9][0-9]*/some/') $(grep -c '| policy ' "$table" | sed 's/[1-9][0-9]*/some/')" \
    "some some" "policies that were trained there, and others that were not"
same "$(cut -d, -f1,3 "$WORK/runs/improved_chain/eval/eval.csv" | sort -u | grep -E '^(policy|moved)' | tr '\n' ' ')" \
    "moved,1 moved,2 policy,1 policy,2 " "two seeds each"
digests=$(cksum "$WORK"/runs/improved_chain/policy-*/policy/weights.bin)
exits 0 "again" improved chain
says err "; 0 are left" "episodes that are there are left alone"
same "$(cksum "$WORK"/runs/improved_chain/policy-*/policy/weights.bin)" "$digests" "and so are policies"

exits 2 "a setting that is none" sh mk/improved torus
says err "'torus' is no setting; choose one of mixed, yoyo, mesh, chain, high, low" "is refused with the list"
for file in configs/experiments/improved/*.yaml; do
    exits 0 "$file" "$KARMA" train "$file" --dry-run --set 'twin.file=""' --set twin.kind=mlp
    grep "^ *mixed | " mk/improved | grep -qw "$(basename "$file" .yaml)"
    result $? "is a setting of mk/improved"
done

# The diamond's policy on eight services, and on four with other names.
play() { # SETTING OPTION...
    setting=$1
    shift
    "$KARMA" eval "configs/experiments/improved/$setting.yaml" --set eval.episodes=1 --set game.horizon=5 \
        --set "eval.controllers=[{policy: {policies: [$WORK/runs/improved/policy-1]}}]" --out "$WORK/played" "$@"
}
exits 0 "with capacities 30 % higher" play high
exits 1 "on the mesh" play mesh
says err "trained for 4 services: a, b, c, d, and this topology has 8 services: s00, s01" "it is refused with both lists"
exits 1 "on four others" play chain --set topology.services.0.name=web
says err "this topology has 4 services: web, b, c, d;" "it is refused, too"
done_testing
