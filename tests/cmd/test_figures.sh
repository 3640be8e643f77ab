# mk/scenarios and mk/metastable: figures that are whole, small, and the same when made again; and what
# the metastable one claims.
. tests/cmd/tap.sh

scenarios() { # DIR
    RUNS="$1/runs" KEPT="$1" ONLY="ddos unseen_crash_all quiet" sh mk/scenarios
}
metastable() { # DIR
    RUNS="$1/runs" KEPT="$1" sh mk/metastable
}
export KARMA

exits 0 "three scenarios" scenarios "$WORK/a"
! grep -q iconv "$WORK/err"
result $? "gnuplot does not complain about the locale"
for scenario in ddos unseen_crash_all quiet; do
    same "$(wc -l <"$WORK/a/runs/scenarios/$scenario/oracle/load.dat")" 50 "$scenario: a point each 15 s"
    same "$(awk 'NF != 2' "$WORK/a/runs/scenarios/$scenario/oracle/trace.dat" | wc -l)" 0 "$scenario: CPU of each period"
done
grep -q "^set object 1 rect" "$WORK/a/runs/scenarios/ddos/figure.gp"
result $? "the flood is shaded"
exits 0 "the same again" scenarios "$WORK/b"
cmp -s "$WORK/a/runs/scenarios/ddos/ff/load.dat" "$WORK/b/runs/scenarios/ddos/ff/load.dat"
result $? "gives the same data"

exits 0 "an overload that outlives its cause" metastable "$WORK/a"
says out "^retries +answered in time after 900 s: 0[.]0[0-4]" "with retries nobody is answered ten minutes after it"
says out "^none +answered in time after 900 s: (0[.]9[89]|1[.]0)" "without retries all are"
says out "^deadlines +answered in time after 900 s: (0[.]9[89]|1[.]0)" "and with deadlines"
says out "^khpa +answered in time after 900 s: (0[.]9[89]|1[.]0)" "and with an autoscaler"

if command -v gnuplot >/dev/null; then
    for figure in scenario-ddos scenario-unseen_crash_all scenario-quiet metastable; do
        grep -q '</svg>' "$WORK/a/figures/$figure.svg" && [ "$(wc -c <"$WORK/a/figures/$figure.svg")" -lt 60000 ]
        result $? "$figure is whole and smaller than 60 KB"
    done
    cmp -s "$WORK/a/figures/scenario-ddos.svg" "$WORK/b/figures/scenario-ddos.svg"
    result $? "a figure is the same, byte by byte"
else
    skip "figures" "gnuplot is not installed"
fi
done_testing
