# Tables as people have them: times in milliseconds, dates as one number, a spreadsheet's marks, a
# column in another unit, a single recording. Each is read right, or named; a load and a trace alike.
. tests/cmd/tap.sh

cat >"$WORK/base.yaml" <<END
topology:
  services: [{name: a, cpu_m: 500, capacity_rps: 100, initial_replicas: 4, entry: true}]
workload: {mean_rps: 60, daily: 0, noise: 0, burst_per_h: 0}
game: {horizon: 40, agents: [x]}
eval: {controllers: [{name: khpa, khpa: {}}]}
run: {dir: $WORK/run}
END
simulate() { # FILE OPTION...: of an episode with that load
    file=$1
    shift
    "$KARMA" simulate "$WORK/base.yaml" --set workload.file="$file" --out "$WORK/sim" "$@"
}
series() { # FORMAT_OF_TIME ROWS: time,Value with a load of 40 80 40 80 ...
    awk "BEGIN { for (i = 0; i < $2; i++) printf \"$1,%d\n\", i * 15, 40 + i % 2 * 40 }"
}
same_load() { # NAME: the load that was played last is that of the plain file
    cut -d, -f1,2 "$WORK/sim/cohorts.csv" >"$WORK/load"
    holds "$1" cmp "$WORK/load" "$WORK/plain"
}

{
    echo time,Value
    awk 'BEGIN { for (i = 0; i < 400; i++) printf "%d,%d\n", 1614949200 + i * 15, 40 + i % 2 * 40 }'
} >"$WORK/plain.csv"
exits 0 "a load in seconds since 1970" simulate "$WORK/plain.csv"
says err "400 samples over 5985 s from 2021-03-05 13:00:00, 15 s apart" "what was understood is told"
says err "rates 40 to 80, mean 60, scaled to a mean of 60 requests/s" "with the range of the rates"
cut -d, -f1,2 "$WORK/sim/cohorts.csv" >"$WORK/plain"

sed 's/^\([0-9]*\),/\1000,/' "$WORK/plain.csv" >"$WORK/ms.csv"
exits 0 "times in milliseconds" simulate "$WORK/ms.csv"
says err "times: milliseconds since 1970" "are told"
same_load "and read as such"
exits 0 "a time unit that is given" simulate "$WORK/ms.csv" --set workload.time_unit_s=0.001
same_load "is the same load"
{ echo sep=,; sed 's/^/"/; s/,/","/; s/$/"/' "$WORK/plain.csv"; } >"$WORK/excel.csv"
exits 0 "a spreadsheet's sep= line and quotes" simulate "$WORK/excel.csv"
same_load "are read"
{ printf '\357\273\277'; sed 's/,/;/; s/$/\r/' "$WORK/plain.csv"; } >"$WORK/mark.csv"
exits 0 "a byte-order mark, semicolons, CRLF" simulate "$WORK/mark.csv"
same_load "are read, too"
printf 'timestamp,views\n2016010121,3000\n2016010122,2000\n2016010123,1000\n2016010200,1500\n' >"$WORK/hours.csv"
exits 0 "times as YYYYMMDDHH" simulate "$WORK/hours.csv"
says err "4 samples over 10800 s from 2016-01-01 21:00:00, 3600 s apart" "are hours"
{ echo host,load,at; awk 'BEGIN { for (i = 0; i < 9; i++) print "a,1," i }'; } >"$WORK/names.csv"
exits 1 "columns without usual names" simulate "$WORK/names.csv"
says err "no column for the time; columns found: 'host', 'load', 'at'; expected one called 'time'" \
    "the sentence names those that were found and those that are missing"

# --- traces --------------------------------------------------------------------------------------
metric() { # COLUMN FACTOR: two services, 40 samples, values of FACTOR x (80 .. 180)
    echo "time,service,$1"
    awk "BEGIN { for (i = 0; i < 40; i++) for (k = 0; k < 2; k++)
        printf \"%d,%s,%.6f\n\", 1700000000 + 15 * i, k ? \"b\" : \"a\", $2 * (80 + (i * 37 + k * 11) % 101) }"
}
judged() { # NAME STATUS FAULT COLUMN FACTOR
    metric "$4" "$5" >"$WORK/table.csv"
    exits "$2" "$1" "$KARMA" trace check "$WORK/table.csv"
    [ "$2" = 0 ] || says out "^$4 .* fail +$3 " "by the column and the fault"
}
judged "latency in seconds passes" 0 - http_request_duration_mean_seconds 0.001
judged "latency in ms fails" 1 unit http_request_duration_mean_seconds 1
judged "memory in bytes passes" 0 - container_memory_working_set_bytes 1048576
judged "memory in MiB fails" 1 unit container_memory_working_set_bytes 1
judged "CPU in cores passes" 0 - container_cpu_usage_cores 0.001
judged "CPU in milli-cores fails" 1 unit container_cpu_usage_cores 4
judged "a rate passes" 0 - http_requests_per_second 1
{
    echo time,service,http_requests_per_second
    awk 'BEGIN { for (i = 0; i < 40; i++) { n = i == 25 ? 0 : n + 15 * (80 + (i * 37) % 101); print 1700000000 + 15 * i ",a," n } }'
} >"$WORK/table.csv"
exits 1 "a counter fails" "$KARMA" trace check "$WORK/table.csv"
says out "http_requests_per_second .* fail +counter " "by its name"
{
    echo time,http_requests_total
    awk 'BEGIN { for (i = 0; i < 400; i++) print 1700000000 + 15 * i "," 1500 * i }'
} >"$WORK/ramp.csv"
exits 1 "a counter with equal steps, as a load" simulate "$WORK/ramp.csv" --set workload.rate_column=http_requests_total
says err "'http_requests_total' only grow.* the total of a counter; give the rate" "is known by its name"
sed 1s/_total// "$WORK/ramp.csv" >"$WORK/load.csv"
exits 0 "the same ramp, as a load" simulate "$WORK/load.csv" --set workload.rate_column=http_requests
metric http_requests_per_second 1 | sed '2,$s/,/000,/' >"$WORK/table.csv"
exits 0 "times in milliseconds" "$KARMA" trace check "$WORK/table.csv"
says out "40 samples in 1 run, 15 s apart, from 2023-11-14 22:13:20 .*milliseconds since 1970" "are read as such"
{ printf '\357\273\277sep=;\r\n'; metric http_requests_per_second 1 | sed 's/,/;/g; s/$/\r/'; } >"$WORK/table.csv"
exits 0 "a byte-order mark, sep=, semicolons, CRLF" "$KARMA" trace check "$WORK/table.csv"
says out "2 services, 80 lines, columns separated by semicolons" "are read"
metric http_requests_per_second 1 | awk -F, -v OFS=, '$2 == "b" { $1 = $1 + 0.003 } { print }' OFMT=%.3f CONVFMT=%.3f >"$WORK/table.csv"
exits 0 "services 3 ms apart" "$KARMA" trace check "$WORK/table.csv"
says out "^40 samples in 1 run, 15 s apart" "are one sample"
metric http_requests_per_minute 1 >"$WORK/table.csv"
exits 1 "a metric without a known name" "$KARMA" trace check "$WORK/table.csv"
says err "columns found: 'time', 'service', 'http_requests_per_minute'; missing: tidy .*needs 'http_requests_per_second'" \
    "the sentence names the columns and what is missing"

# --- check and import agree ----------------------------------------------------------------------
import() { # FILE...
    rm -f "$WORK/store"
    "$KARMA" trace import "$@" --out "$WORK/store" --origin 'a test' --licence CC0
}
metric http_requests_per_second 1 >"$WORK/table.csv"
exits 0 "check takes a single recording" "$KARMA" trace check "$WORK/table.csv"
says out "^\(import\) .* pass .*1 episode, 39 decisions of 15 s" "says what import makes of it"
says out "^\(fit\) .* warn .*too little to fit a twin" "and what fit misses"
exits 0 "import takes it" import "$WORK/table.csv"
metric http_requests_per_second 1 | sed '1s/,service/,service,seed/; 2,$s/,\([ab]\),/,\1,x,/' >"$WORK/table.csv"
exits 1 "check refuses a seed that is none" "$KARMA" trace check "$WORK/table.csv"
says out "^\(import\) .* fail .*:2: 'x' in column seed; a whole number, 0 to [0-9]+, was expected" "with the sentence of import"
exits 1 "and import does" import "$WORK/table.csv"
metric http_requests_per_second 1 >"$WORK/one.csv"
metric http_requests_per_second 1 | sed 's/,b,/,c,/' >"$WORK/two.csv"
exits 0 "check of two systems" "$KARMA" trace check "$WORK/one.csv" "$WORK/two.csv"
says err "2 tables in one store: table-1 and table-2 are of different making" "warns that import would not take them together"
exits 1 "which it does not" import "$WORK/one.csv" "$WORK/two.csv"

# One of a kind is written in the singular, whatever is counted.
singular() { # ROW...: what the check says of a table with one service and one metric
    { echo time,service,http_requests_per_second; printf '%s\n' "$@"; } >"$WORK/few.csv"
    "$KARMA" trace check "$WORK/few.csv" >"$WORK/few.out" 2>&1
    run grep -E '(^|[^0-9.,])1 [a-z]+s( |,|;|:|$)' "$WORK/few.out"
}
for rows in "0,a,40" "0,a,40 15,a,-3 30,a,42 45,a,43" "0,a,40 15,a,42 10,a,43 25,a,44" \
    "0,a,40 15,a,41 30,a,1e9 45,a,40"; do
    # shellcheck disable=SC2086
    singular $rows
    [ "$rc" = 1 ] && [ -s "$WORK/few.out" ]
    result $? "a check of $rows counts in the singular"
done
mkdir "$WORK/tmp"
TMPDIR=$WORK/tmp "$KARMA" trace check "$WORK/one.csv" "$WORK/table.csv" >"$WORK/out" 2>"$WORK/err"
holds "the check leaves nothing behind" rmdir "$WORK/tmp"
exits 1 "a check without room to try" env TMPDIR="$WORK/tmp" "$KARMA" trace check "$WORK/one.csv"
says err "set TMPDIR to one that can be written" "says what to do"
done_testing
