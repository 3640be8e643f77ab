# karma report: the same results give the same bytes wherever they lie, its numbers are those of karma
# eval, and whatever is missing or damaged is left out by name.
# TIMEOUT: 600
. tests/cmd/tap.sh
export OPENBLAS_NUM_THREADS=1
unset SLURM_JOB_ID SLURM_ARRAY_TASK_ID SLURM_RESTART_COUNT

tiny=configs/experiments/tiny.yaml
spec=configs/ablations/tiny.yaml
report() { # NAME DIR...: into $WORK/NAME
    name=$1
    shift
    exits 0 "a report: $name" "$KARMA" report "$@" --resamples 200 --out "$WORK/$name"
}
left_out() { # NAME PATTERN WHAT: the report's list of what is left out has it
    grep -Eq -- "$2" "$WORK/$1/tables/left-out-table.csv"
    result $? "$3"
    grep -q 'What is left out' "$WORK/$1/report.html"
    result $? "which the page shows, too"
}

# ---- an ablation ----
exits 0 "an ablation" "$KARMA" ablate $spec --out "$WORK/abl"
report a "$WORK/abl"
report b "$WORK/abl"
holds "made again it is the same, byte by byte" diff -r "$WORK/a" "$WORK/b"
mkdir "$WORK/elsewhere"
cp -R "$WORK/abl" "$WORK/elsewhere/moved"
report c "$WORK/elsewhere/moved"
holds "moved results give the same page" cmp "$WORK/a/report.html" "$WORK/c/report.html"
holds "and the same tables" diff -r "$WORK/a/tables" "$WORK/c/tables"
grep -q "$WORK" "$WORK/a/report.html" && echo "the page names a directory of this machine" >&2
result $((! $?)) "no path of this machine is in the page"
host=$(sed -n 's/^host: *"\(.*\)"/\1/p' "$WORK/abl/runs/none/loaded/1/training/machine.yaml")
grep -rqw -- "$host" "$WORK/a/timings.html"
result $? "hosts stand in timings.html"
exits 0 "by default it lies in the first directory" "$KARMA" report "$WORK/abl" --resamples 200
holds "which is no result itself" cmp "$WORK/abl/report/report.html" "$WORK/a/report.html"
exits 0 "and does not change the next one" "$KARMA" report "$WORK/abl" --resamples 200 --out "$WORK/b"
holds "byte by byte" diff -r "$WORK/a" "$WORK/b"

# ---- the page ----
for page in report timings; do
    file=$WORK/a/$page.html
    if command -v xmllint >/dev/null; then
        holds "$page.html is well-formed" xmllint --noout "$file"
    else
        skip "$page.html is well-formed" "xmllint is not installed"
    fi
    same "$(grep -Eci '<script|<link|<img|<iframe|@import|url\(| on[a-z]+=' "$file")" 0 "$page.html has no script and loads nothing"
    same "$(grep -o 'href="[^"#]*' "$file" | grep -vc '^href="$')" 0 "its links stay inside"
    same "$(grep -o 'id="[^"]*"' "$file" | sort | uniq -d)" "" "every id occurs once"
    same "$(grep -o 'href="#[^"]*"' "$file" | sed 's/href="#\(.*\)"/id="\1"/' | sort -u |
        while read -r id; do grep -q "$id" "$file" || echo "$id"; done)" "" "every link has its place"
done
for figure in "$WORK"/a/figures/*.svg; do
    fit_to_print "$figure" "$(basename "$figure")"
done
same "$(for t in "$WORK"/a/tables/*.csv; do
    [ -e "${t%.csv}.tex" ] || echo "$t"
done)" "" "every table is there as LaTeX"
# A row of LaTeX has as many columns as tabular says; commas in quotes belong to a cell of CSV.
same "$(for t in "$WORK"/a/tables/*.tex; do
    awk -v f="$t" '/^\\begin/ { n = length($0) - length("\\begin{tabular}{}") }
        /\\\\$/ { line = $0; gsub(/\\&/, "", line); if (gsub(/ & /, "", line) + 1 != n) print f ": " $0 }' "$t"
done)" "" "rows of LaTeX have the columns of their head"
same "$(for t in "$WORK"/a/tables/*.csv; do
    awk -v f="$t" '{ gsub(/"([^"]|"")*"/, "x"); k = gsub(/,/, ""); if (NR == 1) n = k; if (k != n) print f ":" NR }' "$t"
done)" "" "rows of CSV have the columns of their head"

# ---- claims and the paper ----
same "$(cut -d, -f1,2 "$WORK/a/tables/claims.csv" | tr '\n' ';')" \
    "kind,claim;primary,hard over none;secondary,hard over khpa;" "the claims of the spec are judged"
# Numbers that each training has once, from the files of the runs.
cp -R "$WORK/abl" "$WORK/claims"
sed '/^claims:/,$d' "$WORK/abl/spec.yaml" >"$WORK/claims/spec.yaml"
cat >>"$WORK/claims/spec.yaml" <<END
claims:
  - {arm: hard, baseline: none, metric: alignment, scenario: loaded, primary: false}
  - {arm: hard, baseline: none, metric: missions, primary: false}
  - {arm: hard, baseline: none, metric: convergence, primary: false}
  - {arm: hard, baseline: none, metric: convergence, level: 0.01, scenario: loaded, primary: false}
  - {arm: hard, baseline: khpa, metric: alignment_unmasked, primary: false}
  - {arm: hard, baseline: on the simulator, metric: recovery, primary: false}
END
report k "$WORK/claims"
column() { # CLAIM NUMBER: of the table of claims, whose cells here have a comma only in quotes
    awk -v row="$1" -v n="$2" 'NR == row + 1 { while (match($0, /"[^"]*"/)) {
        cell = substr($0, RSTART + 1, RLENGTH - 2); gsub(/,/, ";", cell)
        $0 = substr($0, 1, RSTART - 1) cell substr($0, RSTART + RLENGTH) } split($0, c, ","); print c[n] }' \
        "$WORK/k/tables/claims.csv"
}
share() { # NUMERATOR DENOMINATOR: of hard minus that of none in loaded, means over seeds
    for arm in hard none; do
        for seed in 1 2; do
            awk -F, -v arm=$arm -v a="$1" -v b="$2" 'NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
                $1 == arm { x += $at[a]; y += $at[b] } END { print x / y }' \
                "$WORK/abl/runs/$arm/loaded/$seed/evaluation/org_metrics.csv"
        done
    done | awk '{ d += (NR <= 2 ? $1 : -$1) / 2 } END { printf "%.4f\n", d }'
}
same "$(printf %.4f "$(column 1 5)")" "$(share compliant can_act)" "alignment is that of org_metrics.csv, by seed"
same "$(column 1 4)" "2; 2" "over the training seeds"
same "$(column 1 10),$(column 2 10)" "undecided,undecided" "which are too few"
same "$(column 3 3)" "(all); episodes until convergence; reached by 0 and 0 (less is better)" "convergence says how many reached it"
same "$(column 3 6)$(column 3 11)" "" "and has no interval if none did"
same "$(column 4 3)" "loaded; episodes until 0.01 of the headroom; reached by 0 and 0 (less is better)" "or a level of its own"
same "$(grep -c alignment_unmasked "$WORK/k/tables/claims.csv")" 0 "a rule keeps to no role"
left_out k "^Claim 'hard over khpa',there is no org_metrics.csv of both arms in all scenarios" "so the claim is left out by name"
# Hard roles reach the level at the third of four evaluations, the others never: 24 episodes or 32.
for file in "$WORK"/claims/runs/hard/*/*/training/convergence.csv "$WORK"/claims/runs/none/*/*/training/convergence.csv; do
    case $file in */hard/*) level=0.9 ;; *) level=0.5 ;; esac
    awk -F, -v OFS=, -v level=$level 'NR == 1 { print } NR == 2 { for (i = 1; i <= 4; i++) { $1 = i; $3 = 8 * i; $4 = 0.7; $6 = level; print } }' \
        "$file" >"$WORK/rows" && mv "$WORK/rows" "$file"
done
report k "$WORK/claims"
same "$(column 3 5) $(column 3 3)" "-8 (all); episodes until convergence; reached by 2 and 0 (less is better)" \
    "a training that never converges counts with all its episodes"
same "$(column 4 5) $(column 4 3)" "0 loaded; episodes until 0.01 of the headroom; reached by 2 and 2 (less is better)" \
    "and a lower level is reached by both at once"
# Damaged files beside the rows leave nothing behind.
run=$WORK/claims/runs/none/loaded/1
cp -R "$run" "$WORK/whole"
awk -F, -v OFS=, 'NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i } NR == 5 { $at["compliant"] = -1 } { print }' \
    "$WORK/whole/evaluation/org_metrics.csv" >"$run/evaluation/org_metrics.csv"
awk -F, -v OFS=, 'NR == 3 { $3 = 1 } { print }' "$WORK/whole/training/convergence.csv" >"$run/training/convergence.csv"
report k "$WORK/claims"
left_out k 'none/loaded/1/evaluation/org_metrics.csv,.*org_metrics.csv:5: compliant is .-1., allowed is a number of at least 0' "a negative share"
left_out k 'none/loaded/1/training/run.yaml,.*the episodes of row 2 are less than before' "and episodes that go back are named"
same "$(column 1 4) $(column 3 4)" "2; 1 2; 1" "and that seed is left out of both claims"
rm -r "$run"
mv "$WORK/whole" "$run"
# With one seed there is no verdict, whatever the episodes say.
for run in "$WORK"/claims/runs/*/*/2; do
    rm -r "$run"
done
sed 's/metric: missions/metric: vcpu_h/' "$WORK/claims/spec.yaml" >"$WORK/spec" && mv "$WORK/spec" "$WORK/claims/spec.yaml"
report k "$WORK/claims"
same "$(cut -d, -f1 "$WORK/k/tables/claims.csv" | sort | uniq -c | tr -s ' ' | tr '\n' ';')" " 1 kind; 5 secondary;" "claims of single seeds"
same "$(for i in 1 2 3 4 5; do echo "$(column $i 10) $(column $i 4) $(column $i 6)$(column $i 11)"; done | sort -u)" "undecided 1; 1 " \
    "are undecided and have no interval"
grep -q '^KHPA,khpa,1,' "$WORK/a/tables/paper-table-2.csv" &&
    grep -q '64.8' "$WORK/a/tables/paper-table-2.csv" && grep -q 'another cluster' "$WORK/a/report.html"
result $? "ours stand beside the published numbers, which are marked"
left_out a '^Table III of the paper: DDoS .*no evaluation in a scenario named ddos' "a table without inputs is named"

exits 2 "no table" "$KARMA" report "$WORK/abl" --resamples 200 --out "$WORK/k" --markdown "$WORK/k.md" --tables ,
says err "names no table" "is told"
exits 0 "all tables as Markdown" "$KARMA" report "$WORK/abl" --resamples 200 --out "$WORK/k" --markdown "$WORK/k.md"
same "$(grep -c '^## ' "$WORK/k.md")" "$(grep -c '<figcaption>Table' "$WORK/k/report.html")" "are those of the page"
# ---- what karma analyse found ----
left_out a '^Table VII of the paper: clustering purity.*no team was analysed: .*karma analyse RUN' "without an analysis the table is named"
cp -R "$WORK/abl" "$WORK/known"
analysed() { # DIR ROLES PURITY ARI POLICIES SEED OF: roles.csv in DIR/analysis
    mkdir -p "$WORK/known/$1/analysis"
    {
        echo team,roles,purity_at,ari_seeds,ari_seeds_lo,ari_seeds_hi,policies,train_seed,of
        echo "hard,$2,$3,$4,$5,$6,$7"
    } >"$WORK/known/$1/analysis/roles.csv"
}
analysed runs/hard/loaded/1/evaluation 4 0.9 nan,nan,nan 1 1 0.25
analysed runs/hard/loaded/2/evaluation 0 0.7 nan,nan,nan 1 2 0.35
analysed . 4 0.75 0.5,0.25,0.75 2 nan 0.3
report k "$WORK/known"
clusters=$WORK/k/tables/paper-table-7-clusters.csv
same "$(tail -n 1 "$clusters" | cut -d, -f1,2)" "hard,2" "analyses of two seeds"
tail -n 1 "$clusters" | awk -F, '{ exit !($3 == 80 && $4 < 70 && $5 > 90 && $6 == 89.4 && $7 == 1) }'
result $? "mean purity with an interval over seeds, beside the published one"
same "$(tail -n 1 "$clusters" | cut -d, -f8-10)" "0.5,0.25,0.75" "ARI from the analysis of both together"
grep -q '| hard ' "$WORK/k/tables/paper-table-7-clusters.md"
result $? "tables are there as Markdown"
report k2 "$WORK/known"
holds "made again it is the same, too" diff -r "$WORK/k" "$WORK/k2"
analysed runs/hard/loaded/2/evaluation 0 7 nan,nan,nan 1 2 0.35
report k2 "$WORK/known"
left_out k2 "^runs/hard/loaded/2/evaluation/analysis/roles.csv,.*roles.csv:2: purity_at is '7'; the file was damaged: analyse again" "a damaged analysis is left out"
analysed runs/hard/loaded/2/evaluation 0 0.7 nan,nan,nan 1 1 0.35
report k2 "$WORK/known"
left_out k2 "^runs/hard/loaded/2/evaluation/analysis/roles.csv,.*the team 'hard' was analysed in runs/hard/loaded/1/evaluation/analysis/roles.csv, too; the first counts" "the same seed counts once"
analysed runs/hard/loaded/2/evaluation many 0.7 nan,nan,nan 1 2 0.35
sed -i.old '1s/ari_seeds_lo/other/' "$WORK/known/runs/hard/loaded/1/evaluation/analysis/roles.csv"
report k2 "$WORK/known"
left_out k2 "^runs/hard/loaded/2/evaluation/analysis/roles.csv,.*'many' in the column roles; a number was expected" "a word for a number is named"
left_out k2 "^runs/hard/loaded/1/evaluation/analysis/roles.csv,.*no column 'ari_seeds_lo'; it was written by another version: make it again" "an older analysis is told"
exits 0 "a report of an analysis alone" "$KARMA" report "$WORK/known/analysis" --resamples 200 --out "$WORK/k3"
grep -q '^hard,1,75,' "$WORK/k3/tables/paper-table-7-clusters.csv"
result $? "has its purity, without an interval"

# ---- the numbers of karma eval ----
exits 0 "an evaluation" "$KARMA" eval $tiny --set 'eval.controllers=[nothing, khpa, ff]' --set eval.episodes=6 \
    --set eval.interval=percentile_corrected --set eval.resamples=200 --out "$WORK/eval"
report d "$WORK/eval"
want=$(awk -F'|' '/^## /{ k++ } k == 1 && $2 ~ /\(all\)/ { print $3 $4 $5 $8 $9 }' "$WORK/eval/summary.md" |
    awk '{ $1 = $1; print }' | head -n 3 | cut -d' ' -f1-4)
got=$(awk -F' & ' '$1 == "(all)" { print $2, $4 }' "$WORK/d/tables/results.tex" | tr -d '$')
same "$got" "$want" "SLO attainments and their intervals are those of summary.md"
gap=$(awk -F'|' '/^## Diff/ { on = 1 } on && $2 ~ /\(all\)/ && $3 ~ / khpa - ff / { gsub(/^ *| *$/, "", $4); print $4 }' "$WORK/eval/summary.md")
[ -z "$gap" ] || [ -n "$gap" ]

# ---- what is missing ----
rm "$WORK/elsewhere/moved/runs/hard/loaded/2/outcome.yaml"
report e "$WORK/elsewhere/moved"
left_out e '^hard in loaded,.*1 run of this arm is missing, the first is line [0-9]+ of manifest.csv \(seed 2\); karma ablate' "a run without a record is named, with the remedy"
same "$(grep -c '^loaded: [a-z]*,hard,1,' "$WORK/e/tables/results.csv")" "$(grep -c '^loaded: [a-z]*,hard,2,' "$WORK/a/tables/results.csv")" "and is not counted"
exits 0 "the ablation goes on" "$KARMA" ablate $spec --out "$WORK/elsewhere/moved"
report e "$WORK/elsewhere/moved"
holds "and then the report is that of the undisturbed one" cmp "$WORK/a/report.html" "$WORK/e/report.html"

# ---- what is damaged ----
spoil() { # NAME FILE COMMAND...: a copy of the evaluation in which the file is spoilt by a filter
    name=$1 file=$2
    shift 2
    rm -rf "$WORK/spoilt"
    mkdir "$WORK/spoilt"
    cp -R "$WORK/eval" "$WORK/spoilt/one"
    cp -R "$WORK/abl/runs/rules/loaded/0/evaluation" "$WORK/spoilt/two"
    "$@" <"$WORK/eval/$file" >"$WORK/spoilt/one/$file"
    exits 0 "$name" "$KARMA" report "$WORK/spoilt" --resamples 200 --out "$WORK/s"
}
spoil "a torn row" eval.csv head -c -40
left_out s '^one/eval.csv,.*not complete, the first is .ff. in scenario .*[0-9]+ of 6 episodes, and its last row is torn; the same karma eval goes on' "an incomplete arm is left out"
says err 'warn: one/eval.csv: left out: ' "and a warning says so"
spoil "a damaged number" eval.csv sed '5s/,0\.[0-9]*,/,0.x,/'
left_out s "^one/eval.csv,.*one/eval.csv:5: '0.x' in the column [a-z_]*; a number was expected" "file, line and column are named"
spoil "another header" eval.csv sed '1s/slo_attainment/compliance/'
left_out s "^one/eval.csv,.*the column 'slo_attainment' was called 'compliance'.*make it again" "an older file is told by name"
spoil "an infinite number" eval.csv awk -F, -v OFS=, 'NR == 4 { $8 = "inf" } { print }'
left_out s "^one/eval.csv,.*one/eval.csv:4: slo_attainment is infinite; the file was damaged" "no mean leaves it out without a word"
spoil "an empty file" eval.csv true
left_out s "^one/eval.csv,.*is empty; run the command that wrote it again" "an empty file is named"
spoil "another environment" eval.csv awk -F, 'BEGIN { OFS = "," } NR > 1 && $1 == "ff" { $28 += 0.5 } { print }'
left_out s "^one/eval.csv,.*the upper bound is .*another environment; report it by itself" "rows of another environment are not compared"
[ -s "$WORK/s/tables/results.csv" ]
result $? "what is not damaged is reported all the same"

# ---- trainings that are under way ----
mkdir -p "$WORK/begun/run"
cp "$WORK/abl/runs/none/loaded/1/training/run.yaml" "$WORK/abl/runs/none/loaded/1/training/metrics.csv" "$WORK/begun/run/"
echo 'running update 3 of 9' >"$WORK/begun/run/status"
report f "$WORK/begun"
left_out f '^run/run.yaml,the training is not done \(status: running update 3 of 9\); the same karma train' "a training that is not done is left out"

# ---- names of users ----
exits 0 "an evaluation with odd names" "$KARMA" eval $tiny --set eval.episodes=1 --set eval.resamples=100 \
    --set 'eval.controllers=[{name: "<b>&_%$ \"x\", {y}", khpa: {}}, nothing]' --out "$WORK/odd"
report g "$WORK/odd"
grep -q '<b>' "$WORK/g/report.html"
result $((! $?)) "names are escaped in the page"
[ ! -e "$(command -v xmllint)" ] || holds "which is well-formed" xmllint --noout "$WORK/g/report.html"
grep -q '\\&\\_\\%\\\$' "$WORK/g/tables/results.tex"
result $? "and in LaTeX"

# ---- mistakes ----
mkdir "$WORK/empty"
exits 2 "nothing to report" "$KARMA" report "$WORK/empty"
says err 'there is no result in it; a report needs eval.csv' "says what it needs"
exits 2 "no directory" "$KARMA" report "$WORK/never"
says err "never: there is no such directory" "is named"
exits 2 "no such reference" "$KARMA" report "$WORK/eval" --reference khap --out "$WORK/h"
says err "no evaluation has an arm of that name; did you mean 'khpa'" "the nearest name is offered"
exits 0 "another reference" "$KARMA" report "$WORK/eval" --reference ff --resamples 200 --out "$WORK/h"
grep -q '(all),nothing - ff,' "$WORK/h/tables/differences.csv"
result $? "is the one that is subtracted"
: >"$WORK/file"
exits 1 "a file in the place of a directory" "$KARMA" report "$WORK/eval" --out "$WORK/file"

done_testing
