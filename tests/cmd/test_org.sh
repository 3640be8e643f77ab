# karma org: the shipped organisations are right on every shipped topology, what is wrong is named
# with its line, and an organisation is shown and drawn.
. tests/cmd/tap.sh

for file in configs/organisations/*.yaml; do
    exits 0 "$file is right" "$KARMA" org check "$file"
    for topology in configs/topologies/*.yaml; do
        exits 0 "$file on $topology" "$KARMA" org check "$file" --config "$topology"
    done
done

karma=configs/organisations/karma.yaml
exits 0 "show" "$KARMA" org show $karma
says out "^organisation karma: penalty 0.1, weight of missions 0.25$" "says what it is"
says out "^ddos +ddos +1$" "who plays what, how hard"
says out "^bottleneck +defender +true +any\(callers\*, congested\)" "rules"
says out "^team +authority +ddos +failure" "links"
says out "^withstand +answered +1 - answered +1 .* 0.7 +0$" "missions with weights"
says out "^defence +resilience +parallel +short_queues, answered" "plans"
says out "^resource +obligation +economise +any +true$" "norms"

exits 0 "the variants differ from it where they say" "$KARMA" org show configs/organisations/half.yaml
says out "^ddos +ddos +0.5$" "in hardness"

exits 0 "--dot" "$KARMA" org show $karma --dot
says out "^digraph organisation \{$" "begins a graph"
says out '"role:ddos" -> "mission:withstand" \[penwidth=2, label="obligation"\];$' "with norms"
same "$(tail -n 1 "$WORK/out")" "}" "and ends it"
cp "$WORK/out" "$WORK/printed.dot"

if command -v dot >/dev/null; then
    exits 0 "--svg" "$KARMA" org show $karma --svg "$WORK/karma.svg"
    holds "draws it" grep -q '</svg>' "$WORK/karma.svg"
    holds "the file is what --dot prints" cmp "$WORK/printed.dot" "$WORK/karma.svg.dot"
else
    skip "--svg" "graphviz is not installed"
fi
mkdir "$WORK/empty"
exits 1 "without Graphviz" env PATH="$WORK/empty" "$KARMA" org show $karma --svg "$WORK/none.svg"
says err "dot is not installed .*graphviz.*the graph stays in $WORK/none.svg.dot" "says so"
holds "and leaves the graph" cmp "$WORK/printed.dot" "$WORK/none.svg.dot"
exits 1 "a file that cannot be made" "$KARMA" org show $karma --svg "$WORK/out/x.svg"

cat >"$WORK/feature.yaml" <<END
organisation:
  roles:
    - name: ddos
      rules:
        - {on: service.recieved > 3, from: 1, to: 3}
END
exits 2 "an unknown feature" "$KARMA" org check "$WORK/feature.yaml"
says err "feature.yaml:5:[0-9]+: organisation.roles.0.rules.0.on: .*did you mean 'received'" "has its line"

sed -n '/^```yaml$/,/^```$/p' docs/organisation.md | grep -v '^```' >"$WORK/pair.yaml"
exits 0 "the example of the document is right" "$KARMA" org check "$WORK/pair.yaml"
says out "2 agents, 3 rules" "and has what it shows"

exits 0 "an empty organisation" "$KARMA" org show /dev/null
exits 2 "an unknown verb" "$KARMA" org draw $karma
says err "unknown command 'draw'; there are check, show" "is named, with the known ones"
exits 2 "no file" "$KARMA" org show
exits 0 "--help" "$KARMA" org --help
done_testing
