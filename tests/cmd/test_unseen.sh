# Faults that no training may see: no configuration that trains, itself or through what it includes,
# has a scenario of configs/scenarios/unseen_*.yaml. Their names begin with "unseen", which a unit
# test checks; the resolved configuration is searched, so it does not matter how they got there.
. tests/cmd/tap.sh

checked=0
for file in configs/experiments/*.yaml configs/experiments/*/*.yaml; do
    grep -q '^train:' "$file" || continue
    "$KARMA" config show "$file" >"$WORK/shown" 2>"$WORK/err"
    result $? "$file can be read"
    ! grep -Eq "name: ['\"]?unseen" "$WORK/shown"
    result $? "$file trains on no unseen fault"
    checked=$((checked + 1))
done
[ "$checked" -ge 5 ]
result $? "configurations that train were found"

printf 'include:\n  - %s\n  - %s\ntrain: {seed: 1}\n' "$PWD/configs/experiments/compared.yaml" \
    "$PWD/configs/scenarios/unseen_net_loss.yaml" >"$WORK/bad.yaml"
"$KARMA" config show "$WORK/bad.yaml" >"$WORK/shown" 2>"$WORK/err"
grep -Eq "name: ['\"]?unseen" "$WORK/shown"
result $? "and one that includes an unseen fault would be noticed"
done_testing
