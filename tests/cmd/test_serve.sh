# karma serve beside a real Prometheus that scrapes a simulated cluster: --check, shadow, the past,
# and a Prometheus that hangs, is killed and comes back.
. tests/cmd/tap.sh

if ! command -v prometheus >/dev/null; then
    skip "a real Prometheus" "prometheus is not installed"
    done_testing
    exit 0
fi
pids=
trap 'for p in $pids; do kill -CONT "$p"; kill "$p"; done 2>/dev/null' EXIT
scrape_port=$((21000 + $$ % 4000))
port=$((scrape_port + 4000))
own=$((scrape_port + 8000))
url=http://127.0.0.1:$port

await() { # SECONDS COMMAND...
    until=$(($(date +%s) + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$(date +%s)" -lt $until ] || return 1
        sleep 0.2
    done
}

prometheus_up() {
    prometheus --config.file="$WORK/prometheus.yml" --storage.tsdb.path="$WORK/data" \
        --web.listen-address=127.0.0.1:$port >>"$WORK/prometheus.log" 2>&1 </dev/null &
    prometheus=$!
    pids="$pids $prometheus"
}

serve() { # OPTION...: a decision every second
    ${go-} "$KARMA" serve "$WORK/run" -p $url -m configs/metrics/exporter.yaml --set plant.period_s=1 \
        --set plant.scrape_s=1 --set prometheus.timeout_s=0.5 --set listen=127.0.0.1:$own \
        --set shield.frozen_s=0 "$@"
}

heard() { # PATTERN: a line of the log of the serve in the background
    grep -Eq -- "$1" "$WORK/log"
}

cat >"$WORK/prometheus.yml" <<C
global: {scrape_interval: 500ms, scrape_timeout: 500ms}
scrape_configs: [{job_name: karma, static_configs: [{targets: ['127.0.0.1:$scrape_port']}]}]
C
tiny=configs/experiments/tiny.yaml
holds "a policy" "$KARMA" train $tiny --set run.dir="$WORK/run" --set train.updates=1
holds "traces" "$KARMA" trace collect $tiny --set eval.episodes=20 --set plant.period_s=5 \
    --set 'eval.controllers=[khpa, ff, nothing]' --out "$WORK/store"
"$KARMA" simulate $tiny -c khpa --set 'eval.controllers=[khpa]' --listen 127.0.0.1:$scrape_port \
    --speed 15 >"$WORK/exporter.log" 2>&1 </dev/null &
exporter=$!
pids="$pids $exporter"

# ---- what was typed ----
exits 0 "--help" "$KARMA" serve --help
exits 0 "--print-config" "$KARMA" serve --print-config
says out "^metrics:" "shows the metrics"
exits 2 "no policy" "$KARMA" serve -p $url
exits 1 "a policy that is not there" "$KARMA" serve "$WORK/nothing" -p $url
says err "there is no policy .*/nothing/policy/weights.bin" "a sentence"
exits 2 "no Prometheus" "$KARMA" serve "$WORK/run" -m configs/metrics/exporter.yaml
says err "prometheus.url.*--prometheus http" "a remedy"
exits 2 "no metrics" "$KARMA" serve "$WORK/run" -p $url
says err "--metrics" "a remedy"
exits 2 "a user without a password" serve --set prometheus.user=me
says err "prometheus.user.* stands alone; .*prometheus.password_file" "a remedy"
exits 1 "a token file that is not there" serve --check --set prometheus.token_file="$WORK/nowhere"
says err "no measurements: the file of its token cannot be read" "a sentence"
exits 1 "https:// where nobody speaks TLS" "$KARMA" serve "$WORK/run" -p https://127.0.0.1:$scrape_port -m configs/metrics/exporter.yaml --check
says err "does not speak TLS.* http:// instead" "a sentence"
exits 2 "a mistyped column" serve --set metrics.service.cpuu.query=x
says err "did you mean 'cpu'" "the nearest column"
exits 2 "full without traces" serve --stage full --check --past 1
cat >"$WORK/kubeconfig" <<C
apiVersion: v1
clusters: [{name: c, cluster: {server: "http://127.0.0.1:1"}}]
users: [{name: u, user: {}}]
contexts: [{name: x, context: {cluster: c, user: u, namespace: shop}}]
current-context: x
C
exits 2 "another namespace is measured" "$KARMA" serve "$WORK/run" -p $url -m configs/metrics/kubernetes.yaml \
    --stage limited --check --set kubernetes.kubeconfig="$WORK/kubeconfig" --set traces="$WORK/store"
says err "metrics.namespace: is 'default', and .* the namespace 'shop': give the same" "a remedy"
exits 1 "scrapes that are far apart" serve --check --set metrics.scrape_s=30
says err "every 30 s, and values older than 30 s count as unknown; set shield.stale_s to 60 or more" "need other limits"
exits 2 "a period between scrapes" serve --set plant.scrape_s=2
says err "--set.*plant.period_s: is 1 s, not a multiple of scrape_s" "a place"
exits 1 "a Prometheus that does not run" serve --check
says err "Prometheus \($url\): no measurements: " "a sentence"

# ---- --check ----
prometheus_up
await 60 sh -c "curl -sf '$url/api/v1/query?query=karma_pods_failed' | grep -q '\"service\":\"d\"'"
result $? "the exporter is scraped"
exits 0 "--check" serve --check
says err "plant.period_s is 1 s, and the policy was trained to decide every 15 s" "another period is said"
says out "^cpu +a +shield, policy +[0-9.e+]+ cores +[0-9.]+ mcpu +[0-9.]+" "answer, value, age"
says out "^cpu: container_cpu_usage_cores$" "the query"
exits 1 "--check with a column that nobody scrapes" serve --check \
    --set metrics.service.received.query=nobody_has_this
says out "^received +b .* no series" "says which, and why"
exits 1 "--check with a query that is wrong" serve --check --set 'metrics.service.queue.query="sum("'
says err "metrics.service.queue is refused: .*parse error" "says what Prometheus says"
exits 0 "a column that nobody reads may be missing" serve --check --set metrics.service.ram.query=nobody

# ---- shadow, and a Prometheus in trouble ----
go=exec serve --set traces="$WORK/store" --out "$WORK/shadow" >"$WORK/report" 2>"$WORK/log" &
shadow=$!
pids="$pids $shadow"
await 30 curl -sf http://127.0.0.1:$own/readyz
result $? "/readyz while there are measurements"
exits 2 "a second one into the same directory" serve --out "$WORK/shadow" --set 'listen=""' -n 1
kill -STOP $prometheus
await 30 heard "no measurements: .*; every value is unknown"
result $? "Prometheus hangs: every value is unknown"
await 30 sh -c "! curl -sf http://127.0.0.1:$own/readyz"
curl -sf http://127.0.0.1:$own/healthz >/dev/null
result $? "it is alive and not ready"
kill -CONT $prometheus
await 30 heard "measurements are there again"
result $? "recovers by itself"
kill -KILL $prometheus
wait $prometheus 2>/dev/null
await 30 sh -c "[ \$(grep -c 'no measurements' '$WORK/log') = 2 ]"
result $? "Prometheus is killed: said once"
prometheus_up
await 60 sh -c "[ \$(grep -c 'there again' '$WORK/log') = 2 ]"
result $? "recovers from a new Prometheus"
curl -sf http://127.0.0.1:$own/metrics >"$WORK/out"
says out '^karma_serve_readings_failed_total [1-9]' "its own metrics count failed readings"
! command -v promtool >/dev/null || promtool check metrics <"$WORK/out" >"$WORK/err" 2>&1
result $? "promtool finds no fault in them"
kill -TERM $shadow
wait $shadow
same $? 0 "SIGTERM ends it cleanly"
grep -q "^Stage shadow: " "$WORK/report" && cmp -s "$WORK/report" "$WORK/shadow/report.txt"
result $? "and prints the report"
awk -F, 'NR > 1 && ($10 != 0 || NF < 15) { bad = 1 } END { exit bad || NR < 20 }' "$WORK/shadow/decisions.csv"
result $? "nothing was written"
awk -F, 'NR > 1 && $4 == "khpa" && $5 ~ /unknown inputs/ { n++ } END { exit n < 4 }' "$WORK/shadow/decisions.csv"
result $? "without measurements the rule decides"

# ---- the past ----
exits 0 "the past" serve --past 1 --out "$WORK/past" --set traces="$WORK/store"
says out "^a +[0-9]+ +[0-9.]+ " "is compared"
exits 2 "the past cannot be written into" serve --past 1 --stage full --out "$WORK/past" --set traces="$WORK/store"
holds "a twin" "$KARMA" twin fit "$WORK/store" --config $tiny --set fit.members=2 --set 'fit.hidden=[8]' \
    --set fit.epochs=1 --set fit.noise_rows=64 --out "$WORK/twin"
await 90 sh -c "curl -sf --data-urlencode 'query=count_over_time(karma_pods_failed[1m]) > 50' \
    '$url/api/v1/query' | grep -q '\"service\":\"d\"'"
result $? "there is a past"
exits 0 "the past with a twin" "$KARMA" serve "$WORK/run" -p $url -m configs/metrics/exporter.yaml \
    --past 1 --set plant.period_s=5 --set twin="$WORK/twin" --out "$WORK/effect"
says out "^Predicted effect of [1-9][0-9]* decisions" "effects are predicted"
says out "^slo_attainment +[01]\.[0-9]+ \[[0-9.]+, [0-9.]+\]" "with an interval"
exits 1 "a twin of another decision period" serve --past 1 --set twin="$WORK/twin" --out "$WORK/effect"
says err "its decision period is another one" "is refused with a sentence"
ms=$(sed -n 's/.*CPU of a decision: \([0-9.]*\) ms on average.*/\1/p' "$WORK/log")
mb=$(sed -n 's/.*memory: \([0-9.]*\) MB.*/\1/p' "$WORK/log")
echo "# a decision: $ms ms of CPU; memory: $mb MB"
awk -v ms="$ms" -v mb="$mb" 'BEGIN { exit !(ms != "" && ms < 1 && mb != "" && mb < 50) }'
[ $? = 0 ] || case $BUILD in *asan*) true ;; *) false ;; esac
result $? "a decision takes less than 1 ms of CPU, the process less than 50 MB"
kill $exporter && wait $exporter
same $? 0 "the exporter ends cleanly"
done_testing
