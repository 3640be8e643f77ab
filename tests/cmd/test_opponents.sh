# mk/opponents at a tiny size: every variant of every spec of learned methods trains two updates, one of
# them on the simulator, and plays; a planner plans in the twin that was made; the policies of the floods
# play where nobody trained. All of it is in the tables, with the CPU of a decision.
# TIMEOUT: 900
. tests/cmd/tap.sh
export OPENBLAS_NUM_THREADS=1

tiny="train.updates=2,train.finish=1,train.envs=8,train.steps=10,game.horizon=10"
opponents() { # WHAT OPTION...
    env KARMA="$KARMA" RANKS=1 RUNS="$WORK/runs" RESULTS="$WORK/results" EPISODES=1 HELD_OUT="unseen_slow_node recorded" \
        ABLATE="--set seeds=[2] --set settings=[$tiny] --set evaluation_settings=[eval.episodes=2,game.horizon=10,'eval.frontier=[]'] --set validation=0.25 --set held_out=0.1 --set collect_settings=[game.horizon=20,eval.episodes=20,'eval.controllers=[explore,khpa]'] ${MORE:-}" \
        sh mk/opponents "$@" --set eval.resamples=100
}
table() { # NAME: rows of a controller in its tables
    cat "$WORK/results/tables/$1.md"
}
methods='none|hard|gym hpa|gym hpa karma|aware|aware karma|rlad|rlad karma'
rules='nothing|khpa default|khpa tuned|khpa requests|ff wide|ff wide measured'

# ---- one service ----
exits 0 "one service under a spike" opponents single
same "$(table single | grep -Ec "^\| spike \| ($methods|$rules|mpc 0\.[125]) \|")" 34 \
    "every method, rule and planner stands in both tables"
same "$(table single | awk -F' [|] ' '/^As in Table II /, /^upper bound/ { if ($1 == "| spike" && ($8 + 0 <= 0 || ($2 !~ /^mpc/ && $8 + 0 >= 1))) print $2 }')" \
    "" "a decision of each takes some CPU; of all but the planner less than 1 ms"
same "$(table single | sed -n '/^As in Table III /,$p' | grep -Ec '^\| spike \| aware \| [0-9]+ \[[0-9]+, [0-9]+\] \| [01]\.')" 1 \
    "with recovery and the share that did not recover"
holds "policies stand against the frontiers of rules" grep -q '^| spike *| gym hpa *| khpa, 3 arms' "$WORK/results/tables/single.md"
holds "and there is a report with the tables of the paper" test -s "$WORK/runs/single/report/report.html"
before=$(cksum "$WORK"/runs/single/runs/*/*/*/training/policy/weights.bin)
exits 0 "again" opponents single
same "$(cksum "$WORK"/runs/single/runs/*/*/*/training/policy/weights.bin)" "$before" "what is there is left alone"

# ---- the variants, under floods; then where none of them trained ----
exits 2 "held out before anything was trained" opponents held-out
says err "compared/floods.yaml; train first: sh mk/opponents opponents" "says what to do first"
MORE='--set scenarios=[{"name":"floods"}]'
exits 0 "every opponent, with both rewards and all weights" opponents opponents
n=$(grep -c '^  - {name: .*label: ' configs/ablations/opponents.yaml)
same "$(awk -F, '$5 == "training" && $9 == "done"' "$WORK/runs/opponents/manifest.csv" | wc -l | tr -d ' ')" "$n" \
    "$n trainings are done"
holds "one of each two updates was on the simulator" grep -q '^finish: 1$\|  finish: 1$' \
    "$WORK/runs/opponents/runs/rlad/floods/2/training/run.yaml"
same "$(table opponents | sed -n '/^As in Table II /,/^upper bound/p' | grep -c '^| ddos | gym hpa target 0.5 \|^| ddos | aware sampled ')" 2 \
    "sweeps and sampled policies have rows"
holds "a policy stands against the sweeps of the other methods" \
    grep -q '^| ddos *| hard *| gym hpa own, 4 arms ' "$WORK/results/tables/opponents.md"
same "$(table opponents | grep -c '^| ddos *| gym hpa *| gym hpa own')" 0 "and not against its own"
exits 0 "where nobody trained" opponents held-out
same "$(table opponents_held_out | grep -E '^## ' | tr '\n' ' ')" "## unseen_slow_node ## recorded " "an unseen fault, another load"
same "$(table opponents_held_out | grep -E '^\| (ddos|unseen slow node) \| aware karma cost 2 ' | sed 's/ | aware.*//' | sort -u | tr '\n' ' ')" \
    "| ddos | unseen slow node " "all policies stand in the tables of each"

exits 2 "another name" opponents floods
says err "'floods' is none of opponents, opponents_elsewhere, single, held-out; type: sh mk/opponents opponents" "a sentence"

# ---- all specs ----
for spec in opponents opponents_elsewhere single; do
    exits 0 "$spec is right" "$KARMA" ablate configs/ablations/$spec.yaml --dry-run
done
same "$("$KARMA" ablate configs/ablations/opponents.yaml --dry-run | grep -c '^fit ')" 6 \
    "a twin for each scenario and cost weight, whatever the method"
twin=$(ls -d "$WORK"/runs/opponents/stages/fit-*/twin | head -n 1)
for spec in configs/tuning/*.yaml; do
    [ "$spec" != configs/tuning/trials.yaml ] || continue
    exits 0 "$spec" "$KARMA" tune "$spec" --set "twin.file=$twin" --dry-run
    says out "^rung 1: 16 trials" "has as many trials as the others"
done
done_testing
