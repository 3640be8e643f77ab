# karma config: the committed default is the program's own, and what it shows loads back.
. tests/cmd/tap.sh

"$KARMA" config doc >"$WORK/default.yaml"
holds "configs/default.yaml is what 'karma config doc' prints" cmp "$WORK/default.yaml" configs/default.yaml
"$KARMA" config doc --ablation >"$WORK/ablation.yaml"
holds "configs/ablation.yaml is what 'karma config doc --ablation' prints" cmp "$WORK/ablation.yaml" configs/ablation.yaml
for file in configs/default.yaml configs/experiments/*.yaml configs/experiments/*/*.yaml; do
    exits 0 "$file is right" "$KARMA" config check "$file"
done

quick=configs/experiments/warm_start.yaml
"$KARMA" config show $quick >"$WORK/shown.yaml"
"$KARMA" config show "$WORK/shown.yaml" >"$WORK/again.yaml"
holds "a shown configuration shows itself" cmp "$WORK/shown.yaml" "$WORK/again.yaml"
same "$("$KARMA" config check "$WORK/shown.yaml" | sed 's/.*: //')" \
    "$("$KARMA" config check $quick | sed 's/.*: //')" "and has the same digest"
same "$("$KARMA" config check $quick --set train.learners=0 | sed 's/.*: //')" \
    "$("$KARMA" config check $quick | sed 's/.*: //')" "a matter of speed does not change the digest"
! [ "$("$KARMA" config check $quick --set train.seed=2)" = "$("$KARMA" config check $quick)" ]
result $? "the seed does"
exits 2 "an organisation is no experiment" "$KARMA" config check configs/organisations/single.yaml
says err "single.yaml is an organisation, not an experiment.*karma org check configs/organisations/single.yaml" \
    "and the command that checks it is named"
exits 0 "which does" "$KARMA" org check configs/organisations/single.yaml
exits 2 "an empty text on the command line" "$KARMA" config check $quick --set workload.file=
remedy=$(sed -n "s/.*for an empty one write \(--set .*\)/\1/p" "$WORK/err")
same "$remedy" "--set 'workload.file=\"\"'" "is shown as a shell must read it"
holds "and so it works" sh -c "'$KARMA' config check $quick $remedy"
exits 2 "a reward term that is given twice" "$KARMA" config check $quick \
    --set 'plant.reward_terms=[success, pods, success]'
says err "plant.reward_terms: has 'success' twice" "is named"
exits 2 "a reward that counts what was not measured" "$KARMA" config check $quick \
    --set plant.reward=slo --set plant.reward_from=measured
says err "plant.reward_from to exact or plant.reward to resilience" "is refused with its remedy"
exits 2 "an unknown verb" "$KARMA" config shew $quick
exits 2 "a missing file" "$KARMA" config check
exits 0 "--help" "$KARMA" config --help
done_testing
