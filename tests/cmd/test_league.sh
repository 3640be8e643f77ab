# karma league: two populations grow by best responses; the same bytes on any number of ranks and after
# an interruption; a defender of the league is a training that karma train repeats; refusals.
# TIMEOUT: 300
. tests/cmd/tap.sh
export OPENBLAS_NUM_THREADS=1

cat >"$WORK/small.yaml" <<EOF
include: [$PWD/configs/experiments/tiny.yaml]
scenarios: [{name: quiet, events: []}]
plant: {attack_requests: 2}
attacker: {hidden: [8], kinds: [rate], view: full}
train: {envs: 8, steps: 8, updates: 2, init: scratch, checkpoint_every: 1}
game: {horizon: 8}
eval: {episodes: 4, resamples: 100, controllers: [nothing, {name: khpa tuned, khpa: {target: 0.5}}]}
league: {seeds: [1, 2], rounds: 2}
EOF
small() { # DIR OPTION...
    dir=$1
    shift
    "$KARMA" league "$WORK/small.yaml" --out "$dir" "$@"
}

# The digest of a defender's weights against the idle attacker alone, as karma train tells it.
first=$WORK/small.yaml
weights() { # DIR SEED
    "$KARMA" train "$first" --set train.opponent=population --set "attacker.members=['']" \
        --set 'attacker.shares=[1]' --set plant.attack_requests=2 \
        --set "train.seed=$2" --set "run.dir=$1" 2>/dev/null | tail -n 1
}

exits 0 "a league of two rounds" small "$WORK/one"
cp "$WORK/out" "$WORK/first.out"
says out "^    1 +-?[0-9.]+ +2 \\([12]\\) +1 \\(1\\) " "the first round begins with the rules and the idle attacker"
says out ", joined" "somebody joins: even a bad attacker harms more than none"
says out "^idle +[01]\\.[0-9]+ " "shares of members are told"
n=$(awk -F, 'NR > 1 { n[$1 "," $2]++ } END { for (k in n) { pairs++; if (n[k] != 4) bad = 1 }; print bad ? "bad" : pairs }' \
    "$WORK/one/payoffs.csv")
members=$(awk -F, 'NR > 1 { d[$1]; a[$2] } END { n = 0; for (k in d) n++; m = 0; for (k in a) m++; print n * m }' \
    "$WORK/one/payoffs.csv")
same "$n" "$members" "every pair has played four episodes"
holds "budgets hold" awk -F, 'NR > 1 && $NF > 2.000001 { bad = 1 } END { exit bad }' "$WORK/one/payoffs.csv"
# The shares of a side add up to 1, and against the mixture every member with a share earns the value.
holds "the mixture is an equilibrium of the payoffs" awk '
    /^defender +share/ { side = 1 } /^attacker +share/ { side = 2 }
    /\(value / { sub(/\)/, "", $NF); value = $NF }
    /^round +value|^reward / { side = 0 }
    side > 0 && match($0, / [01]\.[0-9][0-9][0-9] +-?[0-9.]+ /) {
        split(substr($0, RSTART, RLENGTH), x, " ")
        total[side] += x[1]
        gap = x[2] - value
        if (x[1] > 0 && (gap > 2e-4 || gap < -2e-4)) bad = 1
        if (side == 1 && gap > 2e-4) bad = 1
        if (side == 2 && gap < -2e-4) bad = 1
    }
    END { exit bad || total[1] < 0.998 || total[1] > 1.002 || total[2] < 0.998 || total[2] > 1.002 }' \
    "$WORK/first.out"
# The mixture of attackers as a configuration: a training that includes it meets the same attackers.
echo "include: [$WORK/small.yaml, $WORK/one/attackers.yaml]" >"$WORK/against.yaml"
exits 0 "a team against the last mixture of attackers" "$KARMA" train "$WORK/against.yaml" \
    --set run.dir="$WORK/against"
same "$(awk '/shares:/ { gsub(/[^0-9. ]/, ""); for (i = 1; i <= NF; i++) s += $i; printf "%.6f", s }' \
    "$WORK/one/attackers.yaml")" 1.000000 "their shares add up to 1"
exits 0 "once more: all trainings are there" small "$WORK/one"
cp "$WORK/out" "$WORK/second.out"
holds "and the same is printed" cmp "$WORK/second.out" "$WORK/first.out"
run grep -c 'policy written' "$WORK/err"
same "$(cat "$WORK/out")" 0 "none was trained again"

if [ "${MPI:-1}" = 0 ]; then
    skip "three ranks" "built without MPI"
else
    exits 0 "three ranks" "$LAUNCH" -n 3 "$KARMA" league "$WORK/small.yaml" --out "$WORK/three"
    holds "the same rows" cmp "$WORK/one/payoffs.csv" "$WORK/three/payoffs.csv"
    same "$(weights "$WORK/three/round-1/defender-seed-1" 1)" \
        "$(weights "$WORK/one/round-1/defender-seed-1" 1)" "the same weights of a defender"
    holds "the same weights of an attacker" cmp "$WORK/one/round-1/attacker-seed-2/policy/weights.bin" \
        "$WORK/three/round-1/attacker-seed-2/policy/weights.bin"
fi

# A defender is what karma train makes of these settings.
same "$(weights "$WORK/hand" 2)" "$(weights "$WORK/one/round-1/defender-seed-2" 2)" \
    "karma train repeats a best response"
holds "which has a digest" test -n "$(weights "$WORK/hand" 2)"

# An interruption in the first round.
cp -r "$WORK/one" "$WORK/cut"
rm -r "$WORK/cut/round-1/attacker-seed-2" "$WORK/cut/round-2" "$WORK/cut/payoffs.csv"
exits 0 "after an interruption" small "$WORK/cut"
holds "the same rows" cmp "$WORK/one/payoffs.csv" "$WORK/cut/payoffs.csv"

if command -v gnuplot >/dev/null; then
    exits 0 "the heat map is drawn" "$KARMA" figure "$WORK/one"
    exits 0 "and is fit for a paper" awk -f tests/figures.awk "$WORK/one/figures/payoffs.svg"
else
    skip "the heat map" "there is no gnuplot"
fi

exits 2 "members of another configuration" small "$WORK/one" --set attacker.lr=0.5
says err "defender-seed-1 holds a run of another configuration.*attacker.lr: 0.001 -> 0.5" "are not taken"

# --- what it refuses -------------------------------------------------------------------------------
refused() { # NAME PATTERN OPTION...
    name=$1 pattern=$2
    shift 2
    exits 2 "$name" small "$WORK/none" "$@"
    says err "$pattern" "$name: the sentence"
    holds "$name: nothing was trained" test ! -e "$WORK/none/round-1"
}
refused "two scenarios" "scenarios: .*are 2, but a league plays one" \
    --set 'scenarios=[{name: a, events: []}, {name: b, events: []}]'
refused "a reward that is not zero-sum" "attacker\\.reward: .*set it to zero_sum" --set attacker.reward=damage
refused "an opponent" "train\\.opponent: .*leave it out" --set train.opponent=together
refused "a budget of nothing" "plant\\.attack_requests: .*is 0" --set plant.attack_requests=0
refused "a shield" "eval\\.shield: .*karma league trains attackers" --set eval.shield=true
done_testing
