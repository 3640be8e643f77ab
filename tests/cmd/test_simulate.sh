# karma simulate: files with the promised columns, the same bytes again, names that were mistyped.
. tests/cmd/tap.sh

config=configs/experiments/warm_start.yaml
arms="eval.controllers=[nothing, {name: khpa default, khpa: {}}, policy]"

simulate() { # DIR OPTION...
    dir=$1
    shift
    "$KARMA" simulate $config --set game.horizon=8 --set eval.split=dev --set "$arms" --out "$dir" "$@"
}

exits 0 "--help" "$KARMA" simulate --help
exits 0 "an episode" simulate "$WORK/a" -c "khpa default" -e 3
says out "^khpa default, scenario ddos, dev episode 3$" "the head says what was played"
says out "^vcpu_h +[0-9.]+ +vCPU h" "a metric has its unit"
says out "^upper_bound +1\.00[0-9]* .*above 1 by what was in flight at the start" "a bound above 1 is explained"
same "$(wc -l <"$WORK/a/episode.csv")" 9 "a row per decision"
same "$(wc -l <"$WORK/a/cohorts.csv")" 25 "a row per 5 s"
same "$(awk -F, '{ print NF }' "$WORK/a/episode.csv" | sort -u | wc -l)" 1 "rows have all cells"
header=$(head -n 1 "$WORK/a/episode.csv")
for column in step t_s a.deployed b.util_10s entry_5s delta.a truth.received truth.used_m_mean truth.retries \
    reward.resilience reward.reward; do
    case ,$header, in
    *,$column,*) result 0 "column $column" ;;
    *) result 1 "column $column" ;;
    esac
done
same "$(tail -n 1 "$WORK/a/episode.csv" | cut -d, -f 1,2)" "7,120" "the last period ends at 120 s"
grep -q "unset output" "$WORK/a/timeline.gp"
result $? "timeline.gp is complete"

link="[{name: x, events: [{kind: net_loss, service: b, callee: d, quiet_s: {lo: 1, hi: 2},
    ramp_s: {lo: 0, hi: 1}, magnitude: {lo: 0.1, hi: 0.2}}, {kind: crash_all, service: c,
    quiet_s: {lo: 20, hi: 30}, magnitude: {lo: 1, hi: 1}}]}]"
exits 0 "an episode of other faults" simulate "$WORK/faults" -c nothing --set "scenarios=$link"
grep -q "^set label 1 'net_loss b-d' at" "$WORK/faults/timeline.gp" &&
    grep -q "^set label 2 'crash_all c' at" "$WORK/faults/timeline.gp" &&
    grep -q "^set arrow 2 from" "$WORK/faults/timeline.gp"
result $? "events have their names in the timeline"

# Clients of the default configuration do not retry; in a retry storm they do.
storm="[{name: x, events: [{kind: ddos, quiet_s: {lo: 5, hi: 5}, ramp_s: {lo: 0, hi: 1}, duration_s: {lo: 100, hi: 100},
    magnitude: {lo: 8, hi: 8}}, {kind: retry_storm, follow: 0, magnitude: {lo: 2, hi: 2}}]}]"
retries() { # DIR: attempts after the first, whole episode
    awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == "truth.retries") at = i }
        NR > 1 { n += $at } END { print n + 0 }' "$1/episode.csv"
}
same "$(retries "$WORK/a")" 0 "nobody tries again without being told to"
exits 0 "an episode with a retry storm" simulate "$WORK/storm" -c nothing --set "scenarios=$storm"
[ "$(retries "$WORK/storm")" -gt 1000 ]
result $? "clients try again in a retry storm ($(retries "$WORK/storm") times)"

exits 0 "the same again" simulate "$WORK/b" -c "khpa default" -e 3
diff -r "$WORK/a" "$WORK/b" >"$WORK/out" 2>&1
result $? "gives the same bytes"
exits 0 "another episode" simulate "$WORK/c" -c "khpa default" -e 4
! cmp -s "$WORK/a/cohorts.csv" "$WORK/c/cohorts.csv"
result $? "gives others"
exits 0 "another controller" simulate "$WORK/d" -c nothing -e 3
same "$(cut -d, -f 1,2 "$WORK/d/cohorts.csv" | cksum)" "$(cut -d, -f 1,2 "$WORK/a/cohorts.csv" | cksum)" \
    "meets the same arrivals"

exits 2 "a mistyped controller" simulate "$WORK/x" -c "khpa defautl"
says err "did you mean 'khpa default'" "the nearest name is offered"
exits 2 "an unknown controller" simulate "$WORK/x" -c zebra
says err "it has 'nothing', 'khpa default', 'policy'" "the names are listed"
exits 2 "a mistyped scenario" simulate "$WORK/x" -S dods
says err "did you mean 'ddos'" "the nearest name is offered"
exits 1 "a policy that is missing" simulate "$WORK/x" -c policy --set "run.dir=$WORK/none"
says err "karma train" "the sentence names the command that makes it"
exits 1 "one that no training could write" simulate "$WORK/x" -c policy --set "run.dir=$WORK/no name"
says err "no training can write there; choose another directory" "is told so, not advised to train"
exits 0 "an output with blanks and a quote in its name" simulate "$WORK/it's one"
eval "set -- $(sed -n 's/.*karma figure //p' "$WORK/err")"
same "$*" "$WORK/it's one" "the command that is printed can be typed"
exits 2 "a missing configuration" "$KARMA" simulate
exits 2 "a number that is none" simulate "$WORK/x" -e three
: >"$WORK/file"
exits 1 "a directory that cannot be made" simulate "$WORK/file/dir"
says err "$WORK/file" "the sentence names it"

if command -v gnuplot >/dev/null; then
    exits 0 "the timeline" "$KARMA" figure "$WORK/a"
    grep -q '</svg>' "$WORK/a/timeline.svg" && [ -s "$WORK/a/timeline.png" ]
    result $? "is drawn as SVG and PNG"
    fit_to_print "$WORK/a/timeline.svg" "the timeline"
else
    skip "the timeline" "gnuplot is not installed"
fi
done_testing
