# karma train and eval under an organisation: the same bits on any ranks, resumed or not, and a
# policy is evaluated by the organisation it was trained under.
. tests/cmd/tap.sh
export OPENBLAS_NUM_THREADS=1

tiny=configs/experiments/tiny_organised.yaml
run=$WORK/run

golden() { # NAME: the committed digest
    sed -n "s/^$1 //p" tests/golden/tiny.txt
}

train() { # RANKS LEARNERS ARGUMENT...: exit status in $rc, the digest in $digest
    ranks=$1 learners=$2
    shift 2
    if [ "$ranks" = 1 ]; then
        set -- "$KARMA" train $tiny "$@"
    else
        set -- "$LAUNCH" -n "$ranks" "$KARMA" train $tiny "$@"
    fi
    run timeout "$HANGS" "$@" --set run.dir="$run" --set train.learners="$learners" --restart
    digest=$(sed -n '$s/^digest //p' "$WORK/out")
}

# --- ranks ---------------------------------------------------------------------------------------
for kind in hard half; do
    [ $kind = hard ] && ch=1 || ch=0.5
    train 1 1 --set organisation.hardness=$ch
    same "$digest" "$(golden $kind)" "$kind: one rank"
    cp "$run/metrics.csv" "$WORK/$kind.csv"
    rm -rf "$WORK/$kind"
    cp -R "$run" "$WORK/$kind"
    if [ "${MPI:-1}" = 0 ]; then
        skip "$kind: ranks" "built without MPI"
        continue
    fi
    for shape in 2,0 3,1 4,3; do
        train ${shape%,*} ${shape#*,} --set organisation.hardness=$ch
        same "$digest" "$(golden $kind)" "$kind: ${shape%,*} ranks, learners ${shape#*,}"
    done
    holds "$kind: metrics.csv is the same file, too" cmp "$run/metrics.csv" "$WORK/$kind.csv"
done
! cmp -s "$WORK/hard.csv" "$WORK/half.csv"
result $? "the two are not the same"

column() { # FILE NAME: its values, one a line
    awk -F, -v name="$2" 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == name) c = i }
        NR > 1 { print $c }' "$1"
}
same "$(column "$WORK/hard.csv" failure.violation | sort -u)" 0 "hard: nobody chooses outside"
same "$(column "$WORK/hard.csv" ratio_max_dev | sort -u)" 0 "hard: probabilities agree to the bit"
same "$(column "$WORK/half.csv" ratio_max_dev | sort -u)" 0 "half: probabilities agree to the bit"
[ "$(column "$WORK/half.csv" failure.violation | sort -n | head -n 1)" != 0 ]
result $? "half: some do"

if command -v gnuplot >/dev/null; then
    exits 0 "figures" "$KARMA" figure "$WORK/half"
    ! grep -q iconv "$WORK/err"
    result $? "gnuplot does not complain about the locale"
    fit_to_print "$WORK/half/figures/organisation.svg" "agents and their roles"
    fit_to_print "$WORK/half/figures/learning.svg" "learning"
else
    skip "figures" "gnuplot is not installed"
fi

# --- resumed -------------------------------------------------------------------------------------
resumes() { # NAME RANKS ARGUMENT...: the run stopped after update 4 ends as it did
    name=$1 ranks=$2
    shift 2
    set -- "$@" --set run.dir="$run" --set train.updates=6 --set train.checkpoint_every=1 \
        --set train.learners=0
    rm -rf "$run"
    run timeout "$HANGS" "$KARMA" train $tiny "$@"
    want=$(sed -n '$s/^digest //p' "$WORK/out")
    cp "$run/metrics.csv" "$WORK/whole.csv"
    echo "running update 5 of 6" >"$run/status"
    rm "$run/checkpoints/update-5.ckpt"
    if [ "$ranks" = 1 ]; then
        run timeout "$HANGS" "$KARMA" train $tiny "$@"
    else
        run timeout "$HANGS" "$LAUNCH" -n "$ranks" "$KARMA" train $tiny "$@"
    fi
    says err "resumed after update 4 of 6" "$name: it goes on"
    same "$rc $(sed -n '$s/^digest //p' "$WORK/out")" "0 $want" "$name: and ends with the same bits"
    holds "$name: metrics.csv" cmp "$run/metrics.csv" "$WORK/whole.csv"
}
[ "${MPI:-1}" = 0 ] && ranks_2=1 || ranks_2=2
resumes "hard" $ranks_2
resumes "half" $ranks_2 --set organisation.hardness=0.5
resumes "half, ahead, three states" 1 --set organisation.hardness=0.5 --set train.pipeline=1 \
    --set game.obs.stack=3 --set game.obs.view=role --set "game.authority=[ddos]"
resumes "cloned" 1 --set train.init=clone --set organisation.hardness=0.7
rm -rf "$run"

# --- other teams ---------------------------------------------------------------------------------
differs="$(golden hard) $(golden half)"
variant() { # NAME ARGUMENT...: another training, and the same one on three ranks
    name=$1
    shift
    train 1 1 "$@"
    want=$digest
    case " $differs " in
    *" $want "*) result 1 "$name: another digest" ;;
    *) result $rc "$name: another digest" ;;
    esac
    differs="$differs $want"
    if [ "${MPI:-1}" != 0 ]; then
        train 3 0 "$@"
        same "$digest" "$want" "$name: three ranks"
    fi
}
variant "soft" --set organisation.hardness=0
variant "roles only" --set organisation.mission_weight=0
variant "views of roles" --set game.obs.view=role
variant "three states" --set game.obs.stack=3
variant "authority" --set "game.authority=[ddos, failure]"
variant "one actor" --set team.share_actor=true
variant "local critic" --set team.critic=local
variant "changes" --set game.action.head=delta
exits 0 "KARMA can be trained alone" "$KARMA" train configs/experiments/ablation_multi_hard.yaml --dry-run

printf 'include: [%s, %s]\n' "$PWD/configs/experiments/tiny.yaml" \
    "$PWD/configs/organisations/single.yaml" >"$WORK/single.yaml"
exits 0 "one agent for all services" "$KARMA" train "$WORK/single.yaml" --set run.dir="$WORK/single" \
    --set "game.agents=[operator]" --set game.action.operations=all
exits 2 "an agent without a role" "$KARMA" train "$WORK/single.yaml" --set run.dir="$WORK/x"
says err "single.yaml:|organisation.agents" "is refused with its place"
exits 0 "a critic for each agent" "$KARMA" train $tiny --set run.dir="$WORK/local" \
    --set team.critic=local --set team.share_actor=true --set train.updates=2

# --- evaluated -----------------------------------------------------------------------------------
cat >"$WORK/eval.yaml" <<END
include: [$PWD/$tiny]
eval:
  episodes: 3
  resamples: 200
  controllers:
    - nothing
    - {name: random, scripted: {}}
    - {name: team, scripted: {rule: ff}}
    - {name: hard, policy: {policies: [$WORK/hard]}}
    - {name: half, policy: {mode: sample, policies: [$WORK/half]}}
    - {name: single, policy: {policies: [$WORK/single]}}
END
evaluate() { # RANKS DIR ARGUMENT...
    ranks=$1 dir=$2
    shift 2
    if [ "$ranks" = 1 ]; then
        "$KARMA" eval "$WORK/eval.yaml" --out "$dir" "$@"
    else
        "$LAUNCH" -n "$ranks" "$KARMA" eval "$WORK/eval.yaml" --out "$dir" "$@"
    fi
}
exits 0 "an evaluation" evaluate 1 "$WORK/one" --set eval.trajectories=all
says out "^  hard: .* organisation karma; training seed 1$" "the head names the organisation"
csv=$WORK/one/org_metrics.csv
same "$(awk -F, 'NR > 1 { n[$1]++ } END { print n["nothing"], n["random"], n["hard"], n["single"] }' "$csv")" \
    "24 24 24 6" "org_metrics.csv has a row for each agent and episode"
of() { # CONTROLLER COLUMN: its values
    awk -F, -v who="$1" -v name="$2" 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == name) c = i }
        NR > 1 && $1 == who { print $c }' "$csv"
}
same "$(of hard violation | sort -u)" 0 "hard: no choice outside"
same "$(of random violation | sort -u)" 0 "neither of a scripted team"
same "$(of single violation | sort -u)" 0 "nor of one agent with four roles"
same "$(of nothing violation | sort -u)" nan "a rule is not judged"
[ "$(of half violation | sort -n | tail -n 1)" != 0 ]
result $? "half: some are outside"
[ "$(of hard compliant)" != "$(of hard compliant_unmasked)" ]
result $? "hard: without masks it would have been another share"

says out "^Agents and their roles" "a table of means is printed"
ratio=$(awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) c[$i] = i }
    $1 == "half" && $9 == "ddos" { inside += $c["compliant"]; open += $c["can_act"] }
    END { printf "%.3f", inside / open }' "$csv")
same "$(awk '$1 == "half" && $2 == "ddos" { print $4 }' "$WORK/one/org_metrics.txt")" "$ratio" \
    "the table has compliant / can_act"
same "$(awk '$1 == "nothing" && $2 == "ddos" { print $4, $7 }' "$WORK/one/org_metrics.txt")" "- -" \
    "what is not judged has no number"
holds "the same as Markdown" grep -q '^| half  *| ddos ' "$WORK/one/org_metrics.md"

# The experiment may have another organisation, or none.
printf 'include: [%s]\norganisation: {agents: []}\n' "$WORK/eval.yaml" >"$WORK/plain.yaml"
exits 0 "the same policies without an organisation" "$KARMA" eval "$WORK/plain.yaml" \
    --set organisation.hardness=0 --out "$WORK/plain"
policies() { # DIR FILE COLUMNS: of the policies' rows
    grep -E '^(hard|half|single),' "$1/$2" | cut -d, -f"$3"
}
same "$(policies "$WORK/plain" eval.csv 1-28)" "$(policies "$WORK/one" eval.csv 1-28)" \
    "they do the same: coins and masks are theirs"
same "$(policies "$WORK/plain" org_metrics.csv 1-7,9-20)" \
    "$(policies "$WORK/one" org_metrics.csv 1-7,9-20)" "and keep to their own organisation"

same_rows() { # NAME DIR
    holds "$1: org_metrics.csv" cmp "$csv" "$2/org_metrics.csv"
    holds "$1: eval.csv" cmp "$WORK/one/eval.csv" "$2/eval.csv"
}
if [ "${MPI:-1}" != 0 ]; then
    exits 0 "an evaluation on three ranks" evaluate 3 "$WORK/three"
    same_rows "three ranks" "$WORK/three"
    holds "three ranks: org_metrics.txt" cmp "$WORK/one/org_metrics.txt" \
        "$WORK/three/org_metrics.txt"
fi
cp -R "$WORK/one" "$WORK/torn"
head -c 5000 "$csv" >"$WORK/torn/org_metrics.csv"
exits 0 "half of org_metrics.csv is lost" evaluate 1 "$WORK/torn" --set eval.trajectories=all
same_rows "what is lost is played again" "$WORK/torn"
cp -R "$WORK/one" "$WORK/cut"
head -n 20 "$WORK/one/eval.csv" >"$WORK/cut/eval.csv"
exits 0 "half of eval.csv is lost" evaluate 1 "$WORK/cut"
same_rows "what is there is not written twice" "$WORK/cut"

# Parts by episodes: merged they are what one evaluation is; a part that was not judged is missed.
exits 0 "two episodes" evaluate 1 "$WORK/a" --set eval.episodes=2
exits 0 "and the third" evaluate 1 "$WORK/b" --set eval.first=2 --set eval.episodes=1
exits 0 "merged" evaluate 1 "$WORK/ab" --merge "$WORK/b/eval.csv" "$WORK/a/eval.csv"
same_rows "merged" "$WORK/ab"
holds "merged: org_metrics.txt" cmp "$WORK/one/org_metrics.txt" "$WORK/ab/org_metrics.txt"
rm "$WORK/b/org_metrics.csv"
exits 0 "without one of them" evaluate 1 "$WORK/less" --merge "$WORK/b/eval.csv" "$WORK/a/eval.csv"
says err "org_metrics.csv is not merged: no part has the row of nothing, .*, episode 2, agent" \
    "it says what is missing"
holds "and writes none" sh -c "! [ -e '$WORK/less/org_metrics.csv' ]"
done_testing
