# Figures: those that are committed and those that are drawn here are fit to print (tests/figures.awk),
# small, and the same when made again; and what the metastable one claims.
. tests/cmd/tap.sh

scenarios() { # DIR
    RUNS="$1/runs" RESULTS="$1" ONLY="ddos unseen_crash_all quiet" sh mk/scenarios
}
metastable() { # DIR
    RUNS="$1/runs" RESULTS="$1" sh mk/metastable
}
export KARMA

# ---- committed figures, and whether their judge would notice ----

graph_fits() { # SVG
    run env LC_ALL=C awk -v graph=1 -f tests/figures.awk "$1"
    result "$rc" "$1: texts within the canvas"
}
for figure in results/figures/*.svg; do
    case $figure in
        */behaviour_*) graph_fits "$figure" ;;
        *) fit_to_print "$figure" "$figure" ;;
    esac
done
sed 's/text-anchor="start">acquaintance/text-anchor="start">acquaintance, as it was before, at the end of a long key that has no end and leaves the canvas/' \
    results/figures/behaviour_none.svg >"$WORK/graph.svg"
exits 1 "a text that leaves the canvas of a graph" env LC_ALL=C awk -v graph=1 -f tests/figures.awk "$WORK/graph.svg"

faulty() { # KIND NAME SED-SCRIPT: a committed figure that is spoilt so has that fault
    sed "$3" results/figures/sensitivity.svg >"$WORK/spoilt.svg"
    ! cmp -s results/figures/sensitivity.svg "$WORK/spoilt.svg" || echo "the figure is not spoilt" >&2
    exits 1 "refused: $2" env LC_ALL=C awk -f tests/figures.awk "$WORK/spoilt.svg"
    says out "^[^ ]+: $1: " "named: $1"
}
before_text() { # TEXT COMMAND: the command, on the line of the group around a text of the figure
    line=$(grep -n "tspan.*>$1<" results/figures/sensitivity.svg | head -n 1 | cut -d: -f1)
    echo "$((line - 1))$2"
}
faulty clipped "a y label beyond the left edge" "$(before_text 'SLO attainment (share)' 's/translate([0-9.]*,/translate(4.00,/')"
faulty clipped "an x label below the lower edge" "$(before_text 'CPU limit .*' 's/,[0-9.]*)"/,637.00)"/')"
faulty clipped "a key's text beyond the right edge" "$(before_text oracle 's/translate([0-9.]*,/translate(870.00,/')"
faulty unnamed "a series that the key leaves out" "s|<text><tspan[^>]*>ff</tspan></text>||"
last_line() { # PATTERN COMMAND: the command, on the last line of the figure that matches
    echo "$(grep -n "$1" results/figures/sensitivity.svg | tail -n 1 | cut -d: -f1)$2"
}
faulty unnamed "a line in another colour than its sample" "$(last_line "<path stroke='rgb(  0, 158, 115)'" 's/158/114/')"
faulty unnamed "a line with other dashes than its sample" "$(last_line "<path stroke='rgb(  0, 158, 115)'" "s/)'/)' stroke-dasharray='2,4'/")"
faulty unnamed "markers of another shape than their sample" "$(last_line gpPt6 's/gpPt6/gpPt4/')"
faulty twice "two entries of a key that look the same" "s/rgb(204, 121, 167)/rgb(  0, 158, 115)/"
faulty covered "a key over data" "$(before_text nothing 's/translate([0-9.]*,[0-9.]*/translate(100.00,130.00/')"
faulty crossed "two texts over each other" "$(before_text 'measurement lag (s)' 's/translate([0-9.]*,[0-9.]*/translate(180.00,299.00/')"
faulty axis "no x label" "s|>decision period (s)<|><|"
faulty axis "no y label" "s|>SLO attainment (share)<|><|"
faulty axis "an axis without a unit" "s|>pod start-up (s)<|>pod start-up<|"
faulty axis "a unit that is none" "s|>pod start-up (s)<|>pod start-up (later)<|"

# ---- figures that are drawn from committed tables ----

drawn_again() { # FIGURE SCRIPT ARGUMENT...
    figure=$1
    shift
    mkdir -p "$WORK/again/tables" "$WORK/again/figures"
    cp "results/tables/$figure.md" "$WORK/again/tables/"
    exits 0 "$figure is drawn from its table" env DRAW=only RUNS="$WORK/again/runs" RESULTS="$WORK/again" sh "$@"
    cmp -s "results/tables/$figure.md" "$WORK/again/tables/$figure.md"
    result $? "$figure: the table is left alone"
    if command -v gnuplot >/dev/null; then
        fit_to_print "$WORK/again/figures/$figure.svg" "$figure anew"
    fi
}
drawn_again sensitivity mk/sensitivity
drawn_again ablation mk/ablation floods
drawn_again ablation_mixed mk/ablation mixed
same "$(awk 'END { print NR }' "$WORK/again/runs/sensitivity/peak.dat")" 6 "a point for each value of a condition"
same "$(sed -n 2p "$WORK/again/runs/sensitivity/lag.dat" | tr -s ' ')" \
    "$(awk -F'|' '/measurement lag/ && $3 == " 7.5 " { gsub(/[][,|]/, " "); sub(/.*\*\)/, ""); sub(/ +[0-9.]+ \/.*/, " "); print }' results/tables/sensitivity.md | tr -s ' ')" \
    "which is that of the table"

# ---- figures of episodes ----

exits 0 "three scenarios" scenarios "$WORK/a"
! grep -q iconv "$WORK/err"
result $? "gnuplot does not complain about the locale"
for scenario in ddos unseen_crash_all quiet; do
    same "$(wc -l <"$WORK/a/runs/scenarios/$scenario/oracle/load.dat")" 50 "$scenario: a point each 15 s"
    same "$(awk 'NF != 2' "$WORK/a/runs/scenarios/$scenario/oracle/episode.dat" | wc -l)" 0 "$scenario: CPU of each period"
done
grep -q "^set object 1 rect" "$WORK/a/runs/scenarios/ddos/figure.gp"
result $? "the flood is shaded"
exits 0 "the same again" scenarios "$WORK/b"
cmp -s "$WORK/a/runs/scenarios/ddos/ff/load.dat" "$WORK/b/runs/scenarios/ddos/ff/load.dat"
result $? "gives the same data"

exits 0 "an overload that outlives its cause" metastable "$WORK/a"
says out "^retries +SLO attainment after 900 s: 0[.]0[0-4]" "with retries nobody is answered ten minutes after it"
says out "^none +SLO attainment after 900 s: (0[.]9[89]|1[.]0)" "without retries all are"
says out "^deadlines +SLO attainment after 900 s: (0[.]9[89]|1[.]0)" "and with deadlines"
says out "^khpa +SLO attainment after 900 s: (0[.]9[89]|1[.]0)" "and with an autoscaler"

if command -v gnuplot >/dev/null; then
    for figure in scenario-ddos scenario-unseen_crash_all scenario-quiet metastable; do
        grep -q '</svg>' "$WORK/a/figures/$figure.svg" && [ "$(wc -c <"$WORK/a/figures/$figure.svg")" -lt 60000 ]
        result $? "$figure is whole and smaller than 60 KB"
        fit_to_print "$WORK/a/figures/$figure.svg" "$figure"
    done
    cmp -s "$WORK/a/figures/scenario-ddos.svg" "$WORK/b/figures/scenario-ddos.svg"
    result $? "a figure is the same, byte by byte"
else
    skip "figures" "gnuplot is not installed"
fi
done_testing
