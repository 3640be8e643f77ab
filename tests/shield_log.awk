# Judges an episode.csv of karma simulate: which invariants of the shield do its changes violate? It
# shares nothing with the shield but the file, in which row t holds the state after decision t.
#
#   awk -f tests/shield_log.awk -v services="a:1:10:500 b:1:10:500" -v node=16000 -v step_out=6 \
#       -v step_in=3 -v disruption=0.5 -v flips=16 -v window=3600 episode.csv
#
# services: NAME:MIN:MAX:CPU of a pod. Prints the decisions that were judged and the violations by
# invariant: of budget, bounds, step, freshness (a decrease while pods are unready), flaps and
# disruption. What needs ages or rates of the load is left to tests/unit/shield_monitor.h.
BEGIN { FS = ","; n = split(services, service, " ") }
function ceil(x) { return x == int(x) ? x : int(x) + 1 }
function blame(what) { bad[what]++; total++ }
NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
{
    sum = grows = 0
    for (s = 1; s <= n; s++) {
        split(service[s], part, ":")
        name = part[1]; delta = $at["delta." name]; d = desired[name]
        if (judged != "") {
            x = d + delta
            sum += x * part[4]
            grows = grows || delta > 0
            if (x < part[2] || x > part[3]) blame("bounds")
            if (delta > step_out || -delta > step_in) blame("step")
            if (delta < 0 && (ready[name] < d || failed[name] > 0)) blame("freshness")
            if (-delta > ceil(disruption * d)) blame("disruption")
            sign = delta > 0 ? 1 : delta < 0 ? -1 : 0
            if (sign * direction[name] < 0) {
                reversal[name, ++m[name]] = $at["t_s"]; count = 0
                for (k = 1; k <= m[name]; k++) count += reversal[name, k] > $at["t_s"] - window
                if (count > flips) blame("flaps")
            }
            direction[name] = sign ? sign : direction[name]
        }
        desired[name] = $at[name ".desired"]
        ready[name] = $at[name ".ready"]; failed[name] = $at[name ".failed_pods"]
    }
    if (judged != "" && grows && sum > node) blame("budget")
    judged++
}
END {
    printf "judged %d violations %d", judged - 1, total
    for (what in bad) printf " %s %d", what, bad[what]
    print ""
}
