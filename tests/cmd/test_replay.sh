# karma replay: a recording that khpa itself made comes out again, what is missing gets a sentence;
# real recordings are better than standing still.
. tests/cmd/tap.sh

# A service of one pod whose CPU rises and falls; replicas are those of the rule by hand: ceil(cpu /
# (100 m x 0.5)) up at once, down after 300 s.
awk 'BEGIN {
    print "time,service,kube_deployment_spec_replicas,container_cpu_usage_cores,http_requests_per_second"
    for (k = 0; k < 80; k++) {
        cpu = k < 10 ? 0.04 : k < 30 ? 0.19 : 0.09
        replicas = k < 10 ? 1 : k < 49 ? 4 : 2
        printf "%d,web,%d,%g,%g\n", 15 * k, replicas, cpu, 1000 * cpu
    }
}' >"$WORK/made.csv"
khpa='khpa: {target: 0.5}'
exits 0 "khpa replays its own kind" "$KARMA" replay "$WORK/made.csv" --request 100 --start 0 --controller "$khpa" --out "$WORK/rows.csv"
says out "^web +79 +0.000 +100.0 % .* 0.000 +100.0 % .* 2 +2 +0 +0$" "replica by replica, up at once and down after 300 s"
holds "the rows are written" test "$(wc -l <"$WORK/rows.csv")" = 81
exits 0 "without the window" "$KARMA" replay "$WORK/made.csv" --request 100 --start 0 --controller 'khpa: {target: 0.5, down_s: 0}'
says out "^web +79 .* 0.481 +75.9 % " "it scales down 19 samples too early, by 2 pods"
exits 0 "another lag" "$KARMA" replay "$WORK/made.csv" --request 100 --start 0 --lag 30 --controller "$khpa"
says out "^web +79 .* 0.[0-9]*[1-9][0-9]* +9[0-9]" "is seen"
exits 0 "--fit" "$KARMA" replay "$WORK/made.csv" --fit --start 0 --controller "$khpa"
says out "^web +79 .* 0.000 +100.0 % " "finds the request"
exits 0 "ff" "$KARMA" replay "$WORK/made.csv" --controller ff --capacity web=50 --request 100
says out "^all +79 " "reads the rate"
exits 2 "without a request" "$KARMA" replay "$WORK/made.csv"
says err "--request MCPU" "a remedy"
exits 2 "a request that is none" "$KARMA" replay "$WORK/made.csv" --request web=much
for bad in 1e18 -3 1001; do
    printf 'time,service,kube_deployment_spec_replicas,container_cpu_usage_cores\n0,web,2,1\n30,web,%s,1\n' \
        $bad >"$WORK/bad.csv"
    exits 1 "$bad replicas" "$KARMA" replay "$WORK/bad.csv" --request 100
done
says err "service 'web' at time 30 has 1001 replicas; expected is 0 to 1000" "a place"
exits 2 "an unknown controller" "$KARMA" replay "$WORK/made.csv" --fit --controller kphpa
exits 2 "a trained policy" "$KARMA" replay "$WORK/made.csv" --controller 'policy: {policies: [runs/a]}'
says err "policy: a trained policy decides from the state of all services.*khpa or ff.*karma serve POLICY --past MINUTES" "a remedy"
exits 2 "a directory" "$KARMA" replay "$WORK/made.csv" --controller runs/a
says err "karma serve runs/a --past MINUTES" "the same remedy"
exits 2 "mpc" "$KARMA" replay "$WORK/made.csv" --controller mpc
says err "mpc: it needs a twin, which a recording does not give; replay a rule" "a sentence"
exits 2 "a controller with foresight" "$KARMA" replay "$WORK/made.csv" --fit --controller oracle
says err "needs foresight" "says why"
cut -d, -f1,2,4 "$WORK/made.csv" >"$WORK/no_replicas.csv"
exits 1 "no replicas" "$KARMA" replay "$WORK/no_replicas.csv" --fit
says err "there are no replicas" "a sentence"
cut -d, -f1,2,3,5 "$WORK/made.csv" >"$WORK/no_cpu.csv"
exits 1 "no CPU" "$KARMA" replay "$WORK/no_cpu.csv" --fit
says err "reads the CPU, and there is no such column" "a sentence"
exits 1 "no such run" "$KARMA" replay "$WORK/made.csv" --fit --only nowhere
exits 2 "--out is the recording" "$KARMA" replay "$WORK/made.csv" --fit --out "$WORK/made.csv"

data=${KARMA_DATA:-}/sockshop-gke/hpa_vs_proactive_flat.csv.gz
if [ ! -f "$data" ]; then
    skip "recordings of a real autoscaler" "KARMA_DATA is not set, or has no sockshop-gke"
else
    exits 0 "recordings of a real autoscaler" "$KARMA" replay "$data" --only reactive --fit
    awk '$1 == "all" { free = $9; first = $12 } END { print free, first; exit !(free > 0 && free < 0.2 && first > 1) }' \
        OFS=' ' FS=' +' "$WORK/out"
    result $? "the free run is within 0.2 replicas, where standing still is 1.5 away"
fi
done_testing
