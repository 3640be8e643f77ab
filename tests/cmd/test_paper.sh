# configs/ablations/paper.yaml and best.yaml: the seeds and claims that were announced, TEST episodes
# only with a digest, and every variant through mk/paper at a size of seconds, to one report.
# TIMEOUT: 600
. tests/cmd/tap.sh
export OPENBLAS_NUM_THREADS=1
unset SLURM_JOB_ID SLURM_ARRAY_TASK_ID SLURM_RESTART_COUNT

# Training seeds of a label in one scenario.
seeds_of() { # SPEC VARIANT
    "$KARMA" ablate "configs/ablations/$1.yaml" --dry-run |
        awk -v v="$2" '$2 == v && $3 == "ddos" && $4 == "training"' | wc -l | tr -d ' '
}
primary() { # SPEC: labels in its primary claims
    sed -n '/^claims:/,$p' "configs/ablations/$1.yaml" | grep 'arm:' | grep -v 'primary: false'
}
same "$(primary paper | wc -l | tr -d ' ')" 4 "paper.yaml has four primary claims"
same "$(primary best | wc -l | tr -d ' ')" 4 "best.yaml has four more"
for variant in multi_hard single_hard multi_soft multi_none multi_local; do
    same "$(seeds_of paper $variant)" 20 "paper.yaml trains $variant, which is in a primary claim, with 20 seeds"
done
for variant in single_none multi_hard_literal gym_hpa rlad aware; do
    same "$(seeds_of paper $variant)" 10 "and $variant with 10"
done
for variant in hard gym_hpa aware rlad; do
    same "$(seeds_of best $variant)" 20 "best.yaml trains $variant with 20 seeds"
done
for spec in paper best; do
    exits 0 "$spec.yaml can be run: every configuration is right" "$KARMA" ablate configs/ablations/$spec.yaml --dry-run
    same "$(awk '$4 == "controllers" { print $3 }' "$WORK/out" | tr '\n' ' ')" "ddos bottleneck crash contention mixed " "in five scenarios"
    exits 2 "$spec.yaml plays TEST episodes" "$KARMA" ablate configs/ablations/$spec.yaml --out "$WORK/never" --set 'preregistered=""'
    says err "fixed beforehand" "so it needs a published digest"
done

exits 2 "a claim about nobody" "$KARMA" ablate configs/ablations/tiny.yaml --dry-run --set 'claims=[{arm: herd, baseline: khpa}]'
says err "claims.0.arm: no variant has the label 'herd' .*; did you mean 'hard'" "is refused before anything is run"
exits 2 "a claim about a rule in a scenario that does not play it" "$KARMA" ablate configs/ablations/tiny.yaml --dry-run \
    --set 'claims=[{arm: hard, baseline: kapa, scenario: loaded}]'
says err "claims.0.baseline: .*no evaluation in scenario loaded plays .*did you mean 'khpa'" "as well"
exits 0 "all variants, at a size of seconds" env SMOKE=1 RUNS="$WORK/smoke" RANKS=2 \
    KARMA="$KARMA" sh mk/paper
same "$(cat "$WORK"/smoke/paper/runs/*/ddos/*/outcome.yaml | grep -c '^state: done')" 11 "every variant of paper.yaml was made"
same "$(cat "$WORK"/smoke/best/runs/*/ddos/*/outcome.yaml | grep -c '^state: done')" 8 "and of best.yaml"
claims=$WORK/smoke/paper-report/tables/claims.csv
same "$(grep -c '^primary,' "$claims")" 8 "the report judges eight primary claims together"
same "$(grep -c '^secondary,' "$claims")" 24 "and the secondary ones"
same "$(grep -c 'convergence\|headroom' "$claims") $(grep -c 'alignment\|missions' "$claims") $(grep -c 'recovery' "$claims")" \
    "4 5 3" "among them convergence, alignment and recovery"
same "$(grep -v '^kind' "$claims" | grep -vc ',undecided,')" 0 "with one training seed all are undecided"
for row in KHPA Gym-HPA Rlad-core AWARE "single agent, no organisation" "single agent, hard" \
    "multi-agent, no organisation" "multi-agent, soft" "multi-agent, hard (KARMA)"; do
    awk -v row="$row" '{ gsub(/"/, "") } index($0, row ",") == 1 && !index($0, row ",-,") { found = 1 }
        END { exit !found }' "$WORK/smoke/paper-report/tables/paper-table-2.csv"
    result $? "Table II has an arm for $row"
done
same "$(sed -n 's/^        policies: //p' "$WORK"/smoke/paper/runs/multi_hard/ddos/1/evaluation/config.yaml | head -n 1)" \
    '["../training"]' "each run keeps its configuration"
before=$(cksum <"$WORK/smoke/paper-report/report.html")
exits 0 "again" env SMOKE=1 RUNS="$WORK/smoke" RANKS=2 KARMA="$KARMA" sh mk/paper
same "$(cksum <"$WORK/smoke/paper-report/report.html")" "$before" "makes the same report, byte by byte"
done_testing
