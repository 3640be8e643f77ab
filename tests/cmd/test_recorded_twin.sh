# From a recording to a policy: import, fit, report, train. A twin of a recording tells what was
# recorded; what it cannot know is refused by name. A table made here, always; real recordings where
# KARMA_DATA names them.
. tests/cmd/tap.sh
export OPENBLAS_NUM_THREADS=1

small='--set fit.members=2 --set fit.hidden=[16] --set fit.epochs=3 --set fit.noise_rows=64'

# Replicas, CPU and requests/s of two services in 24 runs of 20 decisions: web, whose replicas move,
# and db, whose replicas move if MOVES is 1. CPU follows the load.
table() { # MOVES
    awk -v moves="$1" 'function rnd() { x = (x * 16807) % 2147483647; return x / 2147483647 }
        BEGIN { x = 7
            print "time,controller,scenario,seed,episode,service,kube_deployment_status_replicas," \
                "container_cpu_usage_cores,http_requests_per_second"
            for (run = 0; run < 24; run++) { web = 2; db = 3; load = 20 + 40 * rnd()
                for (t = 0; t <= 20; t++) {
                    load += 10 * (rnd() - 0.5); if (load < 5) load = 5
                    u = rnd(); web += u < 0.2 && web > 1 ? -1 : u > 0.8 && web < 5 ? 1 : 0
                    v = rnd(); if (moves) db += v < 0.2 && db > 1 ? -1 : v > 0.8 && db < 5 ? 1 : 0
                    row = sprintf("%d,hpa,day,1,%d", 15 * t, run)
                    printf "%s,web,%d,%.6f,%.6f\n", row, web, load / 100 + 0.02 * rnd(), load
                    printf "%s,db,%d,%.6f,%.6f\n", row, db, load / 150 + 0.02 * rnd(), load / 2 } } }'
}

cat >"$WORK/shop.yaml" <<'YAML'
topology:
  services:
    - {name: web, cpu_m: 200, ram_mib: 100, capacity_rps: 50, min_replicas: 1, max_replicas: 5, initial_replicas: 2, entry: true, calls: [db]}
    - {name: db, cpu_m: 200, ram_mib: 100, capacity_rps: 50, min_replicas: 1, max_replicas: 5, initial_replicas: 3}
workload: {mean_rps: 30}
scenarios:
  - {name: quiet, events: []}
game: {horizon: 12}
team: {actor_hidden: [16], critic_hidden: [16]}
train: {envs: 16, steps: 12, updates: 2, init: scratch}
YAML

import() { # TABLE... STORE
    for store in "$@"; do :; done
    while [ $# -gt 1 ]; do
        tables=${tables:+$tables }$1
        shift
    done
    # shellcheck disable=SC2086
    "$KARMA" trace import $tables --out "$store" --origin "made here" --licence none --validation 25 --held-out 15
    imported=$?
    tables=
    return $imported
}

fit() { # STORE TWIN OPTION...
    # shellcheck disable=SC2086
    "$KARMA" twin fit $small --out "$2" "$1"
}

train() { # TWIN OPTION...
    twin=$1
    shift
    rm -rf "$WORK/run"
    timeout "$HANGS" "$KARMA" train "$WORK/shop.yaml" --set twin.file="$twin" --set run.dir="$WORK/run" "$@"
}

measured='--set plant.reward_from=measured'
told="$measured --set plant.reward_terms=[headroom]"

refused() { # PATTERN NAME ARGUMENT...
    pattern=$1 name=$2
    shift 2
    run train "$@"
    [ "$rc" != 0 ] && grep -Eq -- "$pattern" "$WORK/err"
    result $? "$name: refused by name"
    [ ! -e "$WORK/run/policy" ]
    result $? "$name: and nothing was trained"
}

# --- replicas, CPU and request rate ----------------------------------------------------------------
table 1 >"$WORK/moving.csv"
exits 0 "the table is imported" import "$WORK/moving.csv" "$WORK/moving"
exits 0 "a twin is fitted to it" fit "$WORK/moving" "$WORK/twin"
cut -d, -f1-7 "$WORK/moving.csv" >"$WORK/replicas.csv"
head -n 1 "$WORK/replicas.csv" | grep -q replicas && ! head -n 1 "$WORK/replicas.csv" | grep -q cpu
result $? "a table of replicas and nothing else"
exits 0 "is imported" import "$WORK/replicas.csv" "$WORK/replicas"
run fit "$WORK/replicas" "$WORK/replicas-twin"
[ "$rc" != 0 ] && grep -q "nothing to learn: beside the replicas no metric was measured" "$WORK/err"
result $? "and refused by the fit, with what to record"
! grep -q "no change of replicas" "$WORK/err"
result $? "and no service is missed"
exits 0 "its accuracy is reported" "$KARMA" twin report "$WORK/twin" --horizon 5 --stride 2
says out "^cpu +[-0-9]" "for the CPU"
! grep -q "^deployed" "$WORK/out"
result $? "and not for replicas, which are exact"
# shellcheck disable=SC2086
exits 0 "a policy is trained in it" train "$WORK/twin" $told
digest=$(sed -n '$s/.*digest //p' "$WORK/out")
awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i }
    NR == 3 { exit !($at["episodes"] == 16 && $at["reward"] > 0.3 && $at["reward"] < 1 && $at["vcpu"] > 0.4 &&
        $at["slo_attainment"] == "nan" && $at["or_success"] == "nan") }' "$WORK/run/metrics.csv"
result $? "its metrics are what is known"
! grep -q "does not hold the load" "$WORK/err"
result $? "the load was recorded"
if [ "${MPI:-1}" = 0 ]; then
    skip "the same policy on 2 ranks" "built without MPI"
else
    rm -rf "$WORK/run"
    # shellcheck disable=SC2086
    run timeout "$HANGS" "$LAUNCH" -n 2 "$KARMA" train "$WORK/shop.yaml" --set twin.file="$WORK/twin" \
        --set run.dir="$WORK/run" $told
    same "$(sed -n '$s/.*digest //p' "$WORK/out")" "$digest" "the same policy on 2 ranks"
fi
exits 0 "what it learned plays on the simulator" "$KARMA" eval "$WORK/shop.yaml" --set run.dir="$WORK/eval" \
    --set "eval.controllers=[{policy: {policies: [$WORK/run]}}]" --set eval.episodes=1

# --- what it cannot know ----------------------------------------------------------------------------
refused "plant.reward_from: is exact, but the twin of a recording holds no exact counters" "exact counters" "$WORK/twin"
# shellcheck disable=SC2086
{
    refused "'success', which needs the outcome 'success'" "answered requests" "$WORK/twin" $measured
    for term in pods:pods_failed latency:latency entry:entry traffic:success; do
        refused "'${term%:*}', which needs the outcome '${term#*:}'" "the term ${term%:*}" \
            "$WORK/twin" $measured --set "plant.reward_terms=[headroom, ${term%:*}]"
    done
    refused "imitates a rule that reads 'web.hpa_ready'" "the Kubernetes rule" \
        "$WORK/twin" $told --set train.init=clone --set train.clone.rule=khpa
    refused "method: gym_hpa reads 'web\.[a-z_]*', which the twin .* does not have" "Gym-HPA" \
        "$WORK/twin" $told --set method=gym_hpa
    refused "set plant.period_s to 15" "another period" "$WORK/twin" $told --set plant.period_s=30
    refused "has no service 'cache', which the topology has" "another service" "$WORK/twin" $told \
        --set topology.services.1.name=cache --set 'topology.services.0.calls=[cache]'
}
exits 2 "an evaluation in it" "$KARMA" eval "$WORK/shop.yaml" --set run.dir="$WORK/eval2" --set eval.plant=twin \
    --set twin.file="$WORK/twin" --set 'eval.controllers=[nothing]' --set eval.episodes=1 $told
says err "no exact counters, so the metrics of an evaluation are unknown" "is refused with the reason"
exits 2 "an evaluation in it that is wrong in other ways, too" "$KARMA" eval "$WORK/shop.yaml" \
    --set run.dir="$WORK/eval3" --set eval.plant=twin --set twin.file="$WORK/twin" \
    --set 'eval.controllers=[nothing]' --set eval.episodes=1 --set plant.period_s=30
says err "eval.plant: .*no exact counters" "is refused for the reason that decides"

table 0 >"$WORK/still.csv"
import "$WORK/still.csv" "$WORK/still" >/dev/null 2>&1
exits 0 "replicas of db never change" fit "$WORK/still" "$WORK/still-twin"
says err "no change of replicas was recorded in an episode for training of 'db'" "fit says of which service"
# shellcheck disable=SC2086
{
    refused "cannot know what scaling 'db' does: in the episodes for training its replicas never change; set its min_replicas, max_replicas and initial_replicas to 3" \
        "scaling db" "$WORK/still-twin" $told
    exits 0 "where db may not be scaled" train "$WORK/still-twin" $told --set topology.services.1.min_replicas=3 \
        --set topology.services.1.max_replicas=3
}
cut -d, -f1-6,8- "$WORK/moving.csv" >"$WORK/blind.csv"
import "$WORK/blind.csv" "$WORK/blind" >/dev/null 2>&1
exits 0 "no replicas at all" fit "$WORK/blind" "$WORK/blind-twin"
# shellcheck disable=SC2086
refused "cannot know what scaling 'web' does: its replicas were not recorded" "scaling web" "$WORK/blind-twin" $told
cut -d, -f1-8 "$WORK/moving.csv" >"$WORK/unloaded.csv"
import "$WORK/unloaded.csv" "$WORK/unloaded" >/dev/null 2>&1
exits 0 "no request rate" fit "$WORK/unloaded" "$WORK/unloaded-twin"
# shellcheck disable=SC2086
{
    exits 0 "a policy is trained without it" train "$WORK/unloaded-twin" $told
    says err "does not hold the load: the workload and the scenarios of the configuration have no effect" "and it is said"
    refused "imitates a rule that reads 'entry_10s'" "the feed-forward rule" "$WORK/unloaded-twin" $told \
        --set train.init=clone
}
exits 0 "an unknown load is exported" "$KARMA" trace export "$WORK/unloaded" --out "$WORK/again.csv"
exits 0 "and comes back" import "$WORK/again.csv" "$WORK/again"
exits 0 "as unknown" fit "$WORK/again" "$WORK/again-twin"
# shellcheck disable=SC2086
run train "$WORK/again-twin" $told
says err "does not hold the load" "after all"

# --- real recordings ---------------------------------------------------------------------------------
shop=${KARMA_DATA:-}/sockshop-gke
if [ -z "${KARMA_DATA:-}" ] || [ ! -e "$shop/hpa_vs_proactive_flat.csv.gz" ]; then
    skip "the recordings of an autoscaler" "KARMA_DATA names no directory with sockshop-gke"
    done_testing
    exit
fi
pods='ram_mib: 300, capacity_rps: 100, min_replicas: 1, max_replicas: 10, initial_replicas: 1'
cat >"$WORK/shop.yaml" <<YAML
topology:
  node_cpu_m: 40000
  node_ram_mib: 65536
  services:
    - {name: front-end, cpu_m: 300, $pods, entry: true, calls: [carts, catalogue, user, orders]}
    - {name: carts, cpu_m: 300, $pods}
    - {name: catalogue, cpu_m: 300, $pods}
    - {name: user, cpu_m: 300, $pods}
    - {name: orders, cpu_m: 300, $pods, calls: [payment, shipping]}
    - {name: payment, cpu_m: 300, $pods}
    - {name: shipping, cpu_m: 300, $pods}
plant: {period_s: 30}
scenarios:
  - {name: quiet, events: []}
game: {horizon: 12}
team: {actor_hidden: [16], critic_hidden: [16]}
train: {envs: 16, steps: 12, updates: 2, init: scratch}
YAML
import "$shop/hpa_vs_proactive_flat.csv.gz" "$WORK/hpa" >/dev/null 2>&1
exits 0 "an autoscaler's recording" fit "$WORK/hpa" "$WORK/hpa-twin"
exits 0 "its accuracy is reported" "$KARMA" twin report "$WORK/hpa-twin" --horizon 5 --stride 2
says out "^latency_p95 +[-0-9]" "for the latency it holds"
! grep -q "^latency_p99" "$WORK/out"
result $? "and not for one that is missing in most rows"
# shellcheck disable=SC2086
{
    exits 0 "a policy is trained in it" train "$WORK/hpa-twin" $measured --set 'plant.reward_terms=[latency, headroom]'
    refused "'success', which needs" "its answered requests" "$WORK/hpa-twin" $measured
}
import "$shop"/mixed/metrics.csv "$shop"/experiments/*/run_*/metrics.csv "$WORK/mixed" >/dev/null 2>&1
exits 0 "a recording without replicas" fit "$WORK/mixed" "$WORK/mixed-twin"
# shellcheck disable=SC2086
refused "cannot know what scaling 'front-end' does: its replicas were not recorded" "scaling front-end" \
    "$WORK/mixed-twin" $told
done_testing
