# karma serve with a real API server and a real Prometheus, which scrapes a simulated cluster: who owns
# a deployment, shadow without rights, limited, full, two instances, a Prometheus that dies.
. tests/cmd/tap.sh

if [ ! -x "${KUBERNETES_BIN:-}/kube-apiserver" ]; then
    skip "a real API server" "make test-kubernetes builds one"
    done_testing
    exit 0
fi
for tool in etcd kubectl openssl prometheus; do
    command -v $tool >/dev/null || [ -x "$KUBERNETES_BIN/$tool" ] || {
        skip "a real API server" "$tool is not installed"
        done_testing
        exit 0
    }
done
KUBERNETES_BIN=$(cd "$KUBERNETES_BIN" && pwd)
SITE=$WORK/site
. tests/kubernetes/cluster.sh
pids=
trap 'for p in $pids; do kill -CONT "$p"; kill "$p"; done 2>/dev/null; site_down' EXIT
site_up
result $? "an API server is up"
# shellcheck disable=SC2046
set -- $(site_ports 8) # the servers bind the first ones later
scrape=$7 port=$8
url=http://127.0.0.1:$port

prometheus_up() {
    prometheus --config.file="$WORK/prometheus.yml" --storage.tsdb.path="$WORK/data" \
        --web.listen-address=127.0.0.1:$port >>"$WORK/prometheus.log" 2>&1 </dev/null &
    prometheus=$!
    pids="$pids $prometheus"
}

serve() { # DIR OPTION...: a decision every second, as the service account karma
    dir=$WORK/$1
    shift
    ${go-} "$KARMA" serve "$WORK/run" -p $url -m configs/metrics/exporter.yaml --set plant.period_s=1 \
        --set plant.scrape_s=1 --set prometheus.timeout_s=0.5 --set 'listen=""' --out "$dir" \
        --set traces="$WORK/store" --set fallback.quantile=1 --set shield.frozen_s=0 \
        --set kubernetes.kubeconfig="$WORK/kubeconfig" --set kubernetes.lease_s=3 \
        --set shield.cooldown_s=0 --set kubernetes.timeout_s=2 "$@"
}

replicas() { # what all four ask for
    kubectl -n shop get deployments -o 'jsonpath={range .items[*]}{.metadata.name}={.spec.replicas} {end}'
}

cat >"$WORK/prometheus.yml" <<C
global: {scrape_interval: 500ms, scrape_timeout: 500ms}
scrape_configs: [{job_name: karma, static_configs: [{targets: ['127.0.0.1:$scrape']}]}]
C
tiny=configs/experiments/tiny.yaml
holds "a policy" "$KARMA" train $tiny --set run.dir="$WORK/run" --set train.updates=1
holds "traces" "$KARMA" trace collect $tiny --set eval.episodes=20 \
    --set 'eval.controllers=[khpa, ff, nothing]' --out "$WORK/store"
"$KARMA" simulate $tiny -c khpa --set 'eval.controllers=[khpa]' --listen 127.0.0.1:$scrape \
    --speed 15 >"$WORK/exporter.log" 2>&1 </dev/null &
pids="$pids $!"
prometheus_up
kubectl apply -f tests/kubernetes/shop.yaml >"$WORK/out" 2>&1
kubectl -n shop get deployment c -o json | sed 's/"c"/"d"/g' | kubectl create -f - >/dev/null 2>&1
for service in a b c d; do
    kubectl -n shop scale deployment $service --replicas=3 >/dev/null
done
for file in watch act; do
    kubectl apply -n shop -f configs/kubernetes/$file.yaml >/dev/null
done
kubectl -n shop delete rolebinding karma-act >/dev/null
site_kubeconfig "$(site_token karma)" >"$WORK/kubeconfig"
site_await 60 sh -c "curl -sf '$url/api/v1/query?query=karma_pods_failed' | grep -q '\"service\":\"d\"'"
result $? "the exporter is scraped"

# ---- shadow ----
before=$(replicas)
exits 0 "shadow" serve shadow -n 6
same "$(replicas)" "$before" "changes nothing"
same "$(site_writes karma)" 0 "no request that changes something"

# ---- who owns a deployment ----
exits 3 "b has an autoscaler" serve owned --stage full -n 3
says err "deployment 'b' is scaled by the HorizontalPodAutoscaler 'b'; .*stay in the stage shadow" "a sentence"
exits 1 "a namespace without the deployments" serve nowhere --stage full -n 3 --set kubernetes.namespace=nowhere
says err "may not get the scale of deployment 'a' in the namespace 'nowhere'" "a sentence"
exits 1 "the same as one who may look there" serve nowhere --stage full -n 3 --set kubernetes.namespace=nowhere \
    --set kubernetes.kubeconfig="$KUBECONFIG"
says err "looked for in the namespace 'nowhere'; .*--set kubernetes.namespace=NAME" "a remedy"
kubectl -n shop delete hpa b >/dev/null
same "$(site_writes karma)" 0 "nothing was written"

# ---- without the right to write ----
exits 0 "limited without the right" serve denied --stage limited -n 4
same "$(replicas)" "$before" "changes nothing"
says err "does not act|not taken|may not" "and says so"

# ---- limited ----
kubectl apply -n shop -f configs/kubernetes/act.yaml >/dev/null
exits 0 "limited" serve limited --stage limited -n 12
awk -F, 'NR > 1 { d = $10 < 0 ? -$10 : $10; sum[$2] += d; all += d }
    END { for (i in sum) if (sum[i] > 1) exit 1; exit all == 0 }' "$WORK/limited/decisions.csv"
result $? "at most one pod of one service in a decision, and some"
[ "$(replicas)" != "$before" ]
result $? "the deployments ask for other numbers"
kubectl -n shop get events >"$WORK/out" 2>&1
says out "KarmaScaled +deployment/[abcd] +Scaled from [0-9]+ to [0-9]+: asked for by the " "events say it"

# ---- made again ----
again() { # STAGE: every decision and result of its log
    exits 0 "audit verify: $1" "$KARMA" audit verify "$WORK/$1/audit.jsonl" --policy "$WORK/run"
    n=$(grep -c '"kind":"decision"' "$WORK/$1/audit.jsonl")
    says out "^$n of $n decisions come out the same, byte by byte$" "every decision of the stage $1"
    grep -q '"mask":\["' "$WORK/$1/audit.jsonl"
    result $? "with the masks of the agents"
    half=$(($(wc -c <"$WORK/$1/audit.jsonl") / 2))
    LC_ALL=C awk -v at=$half 'BEGIN { RS = "^$" } { c = substr($0, at, 1)
        printf "%s%s%s", substr($0, 1, at - 1), c == "0" ? "1" : "0", substr($0, at + 1) }' \
        "$WORK/$1/audit.jsonl" >"$WORK/flipped"
    exits 1 "one byte of it changed" "$KARMA" audit verify "$WORK/flipped"
    says err "is not what was written|was changed" "is found"
}
again shadow
again limited

# ---- full, two instances, a Prometheus that dies ----
go=exec serve full --stage full --set shield.hold_s=3 >"$WORK/full.out" 2>"$WORK/full.err" &
first=$!
pids="$pids $first"
site_await 30 grep -q "this instance acts now\|stage full" "$WORK/full.err"
sleep 3
exits 0 "a second instance" serve second --stage full -n 5
says err "this instance does not act: the lease 'karma' is held by" "does not act"
awk -F, 'NR > 1 && $10 != 0 { exit 1 }' "$WORK/second/decisions.csv"
result $? "and writes nothing"
kill -KILL $prometheus
wait $prometheus 2>/dev/null
site_await 30 grep -q "no measurements" "$WORK/full.err"
at=$(tail -n 1 "$WORK/full/decisions.csv" | cut -d, -f 2)
sleep 14
awk -F, -v at="$at" 'NR > 1 && $12 ~ /missing/ { if ($10 < 0 || $10 > 1) exit 1 }' "$WORK/full/decisions.csv"
result $? "blind: never a decrease, at most a step"
kubectl -n shop get deployments -o 'jsonpath={range .items[*]}{.metadata.name} {.spec.replicas}{"\n"}{end}' >"$WORK/out"
grep -q "floor" "$WORK/full/decisions.csv" || awk '{ if ($2 < 3) exit 1 }' "$WORK/out"
result $? "then towards the floor"
prometheus_up
site_await 60 grep -q "measurements are there again" "$WORK/full.err"
result $? "recovers by itself"
kill -TERM $first
wait $first
same $? 0 "SIGTERM ends it cleanly"
again full
same "$(kubectl -n shop get lease karma -o 'jsonpath={.spec.holderIdentity}')" "" "the lease is given up"
awk -F, 'NR > 1 && $11 == 0 { want[$6] = $7 + $10; seen[$6] = $7 }
    END { for (s in seen) print s "=" seen[s] }' "$WORK/full/decisions.csv" >"$WORK/out"
result $? "the log is whole"
done_testing
