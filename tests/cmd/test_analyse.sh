# karma analyse: roles of recorded teams; the same bytes on any ranks and after an interruption; what
# cannot be analysed is told in a sentence; the organisation that comes out is right.
. tests/cmd/tap.sh

cat >"$WORK/team.yaml" <<EOF
include: [$PWD/configs/experiments/tiny_organised.yaml]
game: {horizon: 20}
eval:
  controllers:
    - {name: scripted ff, scripted: {rule: ff}}
    - {name: drawn, scripted: {}}
    - {name: rule, ff: {}}
  episodes: 10
  resamples: 100
  trajectories: all
EOF
played=$WORK/played
exits 0 "an evaluation" "$KARMA" eval "$WORK/team.yaml" --out "$played"

analyse() { # DIR OPTION...
    dir=$1
    shift
    "$KARMA" analyse "$played" --shuffles 19 --shuffled 16 --out "$dir" "$@"
}

# --- what would be done ----------------------------------------------------------------------------
exits 0 "a dry run" "$KARMA" analyse "$played" --dry-run
says out "teams: 2; the largest has 80 trajectories of at most 20 decisions on 4 services" "counts them"
for part in trajectories roles goals relations together; do
    says out "^  $part +[0-9.]+ MB" "states the memory of $part"
done
stated=$(sed -n 's/^  together *\([0-9.]*\) MB/\1/p' "$WORK/out")
[ ! -e "$played/analysis" ]
result $? "and writes nothing"

# --- the analysis ------------------------------------------------------------------------------------
exits 0 "an analysis" analyse "$WORK/one"
took=$(sed -n 's/.*memory of rank 0: \([0-9.]*\) MB.*/\1/p' "$WORK/err")
echo "# stated $stated MB, took $took MB"
awk -v a="$took" -v b="$stated" 'BEGIN { exit !(a > 0 && a <= b && b <= 3 * a) }'
result $? "takes no more memory than the dry run stated ($took of $stated MB)"
says out "Roles of 'scripted ff': 20 episodes of 1 policy, 4 agents; 80 trajectories" "says of what"
cp "$WORK/out" "$WORK/one.out"
for file in roles.txt roles.md roles.csv scripted-ff/roles.md scripted-ff/trajectories.csv \
    scripted-ff/inferred.yaml scripted-ff/inferred_80.yaml drawn/figures/dendrogram.gp; do
    [ -s "$WORK/one/$file" ]
    result $? "$file is there"
done
same "$(wc -l <"$WORK/one/scripted-ff/trajectories.csv")" 81 "a row for each trajectory"
[ ! -e "$WORK/one/rule" ]
result $? "a rule has no agents"
for level in "" _90 _80; do
    exits 0 "the organisation$level is right" "$KARMA" org check "$WORK/one/scripted-ff/inferred$level.yaml"
    says out "is right: 4 agents" "of four agents"
done
cat >"$WORK/masked.yaml" <<EOF
include: [$PWD/configs/experiments/tiny.yaml, $WORK/one/scripted-ff/inferred.yaml]
game: {agents: [bottleneck, ddos, failure, resource]}
eval:
  controllers: [{name: masked, scripted: {}}]
  episodes: 1
  resamples: 100
EOF
exits 0 "and a team plays under it" "$KARMA" eval "$WORK/masked.yaml" --out "$WORK/masked"
if command -v gnuplot >/dev/null; then
    exits 0 "figures" "$KARMA" figure "$WORK/one/scripted-ff"
    fit_to_print "$WORK/one/scripted-ff/figures/dendrogram.svg" "dendrogram"
    fit_to_print "$WORK/one/scripted-ff/figures/silhouette.svg" "silhouettes"
    rm -f "$WORK"/one/*/figures/*.svg "$WORK"/one/*/figures/*.png
else
    skip "figures" "gnuplot is missing"
fi

# --- ranks, interruptions ----------------------------------------------------------------------------
if [ "${MPI:-1}" = 0 ]; then
    skip "ranks" "built without MPI"
else
    for ranks in 2 3; do
        exits 0 "$ranks ranks" "$LAUNCH" -n $ranks "$KARMA" analyse "$played" --shuffles 19 \
            --shuffled 16 --out "$WORK/ranks"
        holds "$ranks ranks: the same bytes" diff -r "$WORK/one" "$WORK/ranks"
        rm -r "$WORK/ranks"
    done
fi
cp -r "$WORK/one" "$WORK/cut"
head -c 27000 "$WORK/one/drawn/roles.bin" >"$WORK/cut/drawn/roles.bin"
rm "$WORK/cut/scripted-ff/roles.md"
exits 0 "after an interruption" analyse "$WORK/cut"
says err "drawn/roles.bin: [0-9]+ of 40 jobs were done before" "goes on"
holds "to the same bytes" diff -r "$WORK/one" "$WORK/cut"
cp "$WORK/one/drawn/tests.bin" "$WORK/whole"
head -c 5000 "$WORK/whole" >"$WORK/cut/drawn/tests.bin"
rm "$WORK/cut/drawn/relations.csv"
exits 0 "after an interruption of the tests" analyse "$WORK/cut"
says err "drawn/tests.bin: [0-9]+ of [0-9]+ jobs were done before" "goes on"
holds "to the same bytes, again" diff -r "$WORK/one" "$WORK/cut"
exits 0 "another seed" analyse "$WORK/cut" --seed 2
! cmp -s "$WORK/one/drawn/roles.bin" "$WORK/cut/drawn/roles.bin"
result $? "is not taken for the same"

# A part is clustered, the rest goes to the nearest medoids.
exits 0 "a part" analyse "$WORK/part" --controller drawn --sample 20
says out "20 distinct trajectories were clustered, 60 went to the nearest of" "tells how many"
says out "of [0-9]+ pairs [0-9.]+ % were spared by lower bounds" "and what the bounds spared"
for options in "--distance edit" "--distance euclid" "--absolute" "--ngram 2" "--observed"; do
    # shellcheck disable=SC2086
    exits 0 "$options" analyse "$WORK/options" --controller drawn --restart $options
done

# --- what cannot be analysed -------------------------------------------------------------------------
refused() { # NAME PATTERN RUN OPTION...
    what=$1 pattern=$2
    shift 2
    run "$KARMA" analyse "$@" --out "$WORK/none"
    [ "$rc" != 0 ] && [ "$rc" -lt 128 ]
    result $? "$what is refused (exit status $rc)"
    says err "$pattern" "$what: in a sentence"
    [ ! -e "$WORK/none" ]
    result $? "$what: nothing is written"
}
mkdir "$WORK/torn" "$WORK/other" "$WORK/damaged" "$WORK/empty"
head -c 20000 "$played/trajectories.bin" >"$WORK/torn/trajectories.bin"
refused "a truncated log" "torn/trajectories.bin: after [0-9]+ whole episodes: .*Run its karma eval again" "$WORK/torn"
head -c 2000 "$played/trajectories.bin" | tail -c 1900 >"$WORK/damaged/trajectories.bin"
refused "what is no log" "damaged/trajectories.bin: after 0 whole episodes" "$WORK/damaged"
refused "a directory without a log" "empty/trajectories.bin: no trajectories; .* eval.trajectories: all" "$WORK/empty"
refused "the same evaluation twice" "stands twice, in " "$played" "$played"
refused "a team that is not there" "no episode of a team 'nobody'" "$played" --controller nobody
exits 0 "another topology" "$KARMA" eval "$WORK/team.yaml" --out "$WORK/other" --set eval.seed=2 \
    --set 'game.agents=[bottleneck, ddos, resource, failure]'
refused "another order of agents" "'scripted ff' in .*played/trajectories.bin and in .*other/trajectories.bin differ in their agents" \
    "$played" "$WORK/other"
exits 0 "one episode" "$KARMA" eval "$WORK/team.yaml" --out "$WORK/single" --set eval.episodes=1
refused "one episode" "'scripted ff': 2 different episodes; at least 5 are needed" "$WORK/single"
exits 0 "rules only" "$KARMA" eval "$WORK/team.yaml" --out "$WORK/rules" --set 'eval.controllers=[ff]'
refused "an evaluation of rules" "20 episodes, none of a team: rules have no agents" "$WORK/rules"
cat >"$WORK/alone.yaml" <<EOF
include: [$PWD/configs/experiments/tiny.yaml, $PWD/configs/organisations/single.yaml]
game: {agents: [operator], horizon: 8, action: {operations: all}}
eval:
  controllers: [{name: alone, scripted: {}}]
  episodes: 6
  resamples: 100
  trajectories: all
EOF
exits 0 "one agent" "$KARMA" eval "$WORK/alone.yaml" --out "$WORK/alone"
refused "one agent" "'alone' has one agent; roles are what distinguishes agents" "$WORK/alone"
exits 2 "a distance that is none" "$KARMA" analyse "$played" --distance cosine
says err "'cosine' is none; choose dtw, edit or euclid" "is told which there are"
done_testing
