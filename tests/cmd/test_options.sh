# Options and keys: what a command does not use, it refuses by name. All commands are tried with an
# unknown option, with each option of the others, and with a --set of each section; which sections a
# command uses stands here a second time, beside the table in mpi/cmd/input.c.
. tests/cmd/tap.sh

tiny=configs/experiments/tiny.yaml
out=$WORK/never
commands="train
eval
ablate
analyse
exploit
league
tune
simulate
serve
figure
report
topology
doctor
replay
audit verify
config doc
config show
config check
bench scale
org check
org show
trace collect
trace info
trace check
trace import
trace export
trace merge
twin fit
twin report
twin agree
twin answers"

listed() { # COMMAND...: names of the commands that its help lists
    "$KARMA" "$@" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p'
}
options_of() { # COMMAND: the long options that its help lists
    # shellcheck disable=SC2086
    "$KARMA" $1 --help | sed -n 's/^  [-, a-zA-Z]\{4\}--\([a-z-]*\).*/\1/p' | sort -u
}

# --- the tables --------------------------------------------------------------------------------
for command in $(listed); do
    verbs=$(listed "$command")
    [ -n "$verbs" ] || echo "$command"
    for verb in $verbs; do echo "$command $verb"; done
done | sort >"$WORK/found"
echo "$commands" | sort | cmp -s - "$WORK/found"
result $? "this test knows every command that the help lists"

echo "$commands" | while read -r command; do
    # shellcheck disable=SC2086
    "$KARMA" $command --help >"$WORK/help" 2>&1 || echo "$command --help fails"
    grep -q "^Usage: karma $command \[options\]" "$WORK/help" || echo "$command --help: another usage"
done >"$WORK/out"
: >"$WORK/err"
same "$(cat "$WORK/out")" "" "each of them has a help of its own"
exits 0 "karma --version" "$KARMA" --version
same "$(cat "$WORK/out")" "karma $(sed 's/ /, /' "$BUILD/revision")" "names the revision and the build"
exits 2 "karma --version with more words" "$KARMA" --version more
for command in audit bench config org trace twin; do
    exits 2 "karma $command alone" "$KARMA" $command
    says err "^Usage: karma $command COMMAND" "lists its commands"
    exits 0 "karma $command --help" "$KARMA" $command --help
    exits 2 "karma $command frobnicate" "$KARMA" $command frobnicate
    says err "karma $command: unknown command 'frobnicate'; there are .*'karma $command --help'" "names those that there are"
done
exits 2 "a mistyped verb" "$KARMA" trace imprt x
says err "karma trace: unknown command 'imprt'; did you mean 'import'" "the nearest one is offered"
exits 2 "an option before the verb" "$KARMA" trace --out x info
says err "write karma trace COMMAND \[options\]" "is told where it belongs"

# --- options -----------------------------------------------------------------------------------
all=$(echo "$commands" | while read -r command; do options_of "$command"; done | sort -u)
echo "$commands" | while read -r command; do
    own=" $(options_of "$command" | tr '\n' ' ')"
    for option in frobnicate $all; do
        case $own in *" $option "*) continue ;; esac
        # shellcheck disable=SC2086
        "$KARMA" $command x --$option 7 >"$WORK/o" 2>"$WORK/e" </dev/null
        [ $? = 2 ] && grep -q "error: karma $command: unknown option '--$option'" "$WORK/e" ||
            echo "karma $command x --$option 7"
    done
done >"$WORK/out"
same "$(cat "$WORK/out")" "" "each command refuses an unknown option, and those of the others"
exits 2 "info with options of import" "$KARMA" trace info x --gap 5 --origin x --force
says err "karma trace info: unknown option '--gap'; it takes --help" "names the first and what it takes"
exits 2 "a mistyped option of a verb" "$KARMA" trace import x --orgin y
says err "did you mean '--origin'" "the nearest one is offered"
exits 2 "an operand too many" "$KARMA" config doc $tiny
says err "unexpected argument '$tiny'" "is named"
exits 2 "files of rows without --merge" "$KARMA" eval $tiny rows.csv
says err "merged with --merge" "say what is missing"
for option in --restart "--dump-update 1 $out"; do
    # shellcheck disable=SC2086
    exits 2 "--dry-run with $option" "$KARMA" train $tiny --dry-run $option
    says err "leave out ${option%% *}" "says which one goes"
done

# Numbers: garbage, nothing, out of range, a fraction, with a unit.
echo "$commands" | while read -r command; do
    # shellcheck disable=SC2086
    "$KARMA" $command --help | tr '\n' ' ' | sed 's/  *-/\n-/g' | grep 'from -*[0-9]* *to -*[0-9]' |
        sed -n 's/^.*--\([a-z-]*\) .*/\1/p' | while read -r option; do
        for value in seven '' 1.5 5s 0x1 99999999999999999999 ' 5' -7; do
            "$KARMA" $command x --$option "$value" y >"$WORK/o" 2>"$WORK/e" </dev/null
            rc=$?
            echo "tried" >>"$WORK/tried"
            [ $rc = 2 ] && grep -q "error: karma $command: --$option: found" "$WORK/e" ||
                echo "karma $command --$option '$value': $rc"
        done
    done
done >"$WORK/out"
same "$(cat "$WORK/out")" "" "each numeric option refuses what is no number of its range"
[ "$(wc -l <"$WORK/tried")" -ge 80 ]
result $? "there were some ($(wc -l <"$WORK/tried") tries)"

# --- keys --------------------------------------------------------------------------------------
# One key of each section, with a value other than the default.
keys='topology.demand_scale=2 plant.lag_s=5 cluster.start_s=21 twin.quantum=4 workload.mean_rps=6
game.horizon=4 scenarios=[{"name":x}] organisation.penalty=0.2 method=gym_hpa team.row_block=8 mappo.lr=0.02 attacker.view=full train.seed=3 fit.seed=3
eval.controllers=[khpa] eval.seed=3 eval.first=1 eval.resamples=150 eval.episodes=2
exploit.world=quiet league.rounds=3 eval.split=dev eval.interval=percentile_corrected eval.figure_episode=1 tune.trials=3 run.dir=never'
environment="topology plant cluster workload scenarios game organisation method team"
used() { # COMMAND: prefixes of the keys that it uses
    case $1 in
    train) echo "$environment twin mappo attacker train run" ;;
    'bench scale') echo "$environment twin mappo train" ;;
    eval) echo "$environment eval run" ;;
    analyse) echo "$environment twin eval run" ;;
    tune) echo "$environment twin mappo train eval tune run" ;;
    exploit) echo "$environment twin mappo attacker train eval exploit run" ;;
    league) echo "$environment twin mappo attacker train eval exploit league run" ;;
    simulate) echo "$environment eval.controllers eval.seed eval.split run" ;;
    'trace collect') echo "$environment eval.controllers eval.seed eval.first eval.episodes run" ;;
    'trace check') echo fit ;;
    'twin fit') echo fit plant ;;
    'twin report') echo "plant twin" ;;
    'twin answers') echo "$environment twin eval.controllers eval.seed eval.first eval.episodes eval.split" ;;
    config*) echo "$environment twin mappo attacker train fit eval tune exploit league run" ;;
    esac
}
try() { # COMMAND KEY=VALUE: such that a key that is used gets past the check of keys
    case $1 in
    train) set -- "$1" --set "$2" --dry-run $tiny ;;
    'bench scale') set -- bench scale --set "$2" --out "$WORK/file/scale" $tiny ;;
    exploit | league) set -- "$1" --set "$2" --out "$WORK/file/$1" $tiny ;;
    simulate) set -- "$1" --set "$2" -c nobody $tiny ;;
    'trace collect') set -- trace collect --set "$2" --out "$WORK/file/store" $tiny ;;
    'twin fit') set -- twin fit --set "$2" --config $tiny --out "$WORK/file/twin" "$WORK/absent" ;;
    'twin report') set -- twin report --set "$2" --config $tiny "$WORK/absent" ;;
    'twin answers') set -- twin answers --set "$2" $tiny ;;
    'trace check') set -- trace check --set "$2" "$WORK/absent" ;;
    'config show') set -- config show --set "$2" $tiny ;;
    'config check') set -- config check --set "$2" $tiny ;;
    analyse) set -- analyse --set "$2" --config $tiny "$WORK/absent" ;;
    eval) set -- eval --set "$2" --merge $tiny "$WORK/absent" ;;
    tune) set -- tune --set "$2" --dry-run $tiny ;;
    esac
    "$KARMA" "$@" >"$WORK/o" 2>"$WORK/e" </dev/null
}
: >"$WORK/file"
echo "$commands" | while read -r command; do
    options_of "$command" | grep -qx set || continue
    [ "$command" != serve ] || continue # a configuration of its own: test_serve.sh
    [ "$command" != ablate ] || continue # its keys are those of a spec
    for key in $keys; do
        name=${key%%=*} want=refused
        for prefix in $(used "$command"); do
            case $name in "$prefix" | "$prefix".*) want=used ;; esac
        done
        try "$command" "$key"
        found=used
        # a list is named by its first element
        ! grep -q "^error: --set $name[._0-9a-z]*: karma $command " "$WORK/e" || found=refused
        [ $found = $want ] || echo "karma $command --set $key: $found, expected $want"
        echo tried >>"$WORK/keys"
    done
done >"$WORK/out"
same "$(cat "$WORK/out")" "" "each command refuses a --set of what it does not use, and takes the rest"
same "$(wc -l <"$WORK/keys")" $((15 * $(echo "$keys" | wc -w))) "fifteen commands have --set for keys of a configuration"
exits 2 "a key inside a map" "$KARMA" simulate $tiny --set 'eval={seed: 2, resamples: 200}'
says err "--set eval.resamples: karma simulate does not use this key; leave it out" "is found, too"
exits 2 "an element of a list" "$KARMA" twin fit x --out y --set 'scenarios=[{name: a}]'
says err "--set scenarios.0.name: karma twin fit" "as well"
printf 'include: %s/%s\nfit: {seed: 7}\n' "$PWD" "$tiny" >"$WORK/shared.yaml"
exits 0 "a key of a file, which others share" "$KARMA" train "$WORK/shared.yaml" --dry-run

# --- the load: a model or a recording ------------------------------------------------------------
awk 'BEGIN { print "time,rps"; for (i = 0; i < 900; i++) print i "," 50 + i % 7 }' >"$WORK/load.csv"
for key in daily=0.5 weekly=0.1 trend=0.1 noise=0.2 noise_s=60 burst_per_h=1 burst_factor=2 burst_s=30; do
    exits 2 "a recording and workload.$key" "$KARMA" config check $tiny \
        --set workload.file="$WORK/load.csv" --set workload.$key
    says err "--set workload.${key%=*}: the load is a recording" "says that it would change nothing"
    holds "the model and workload.$key" "$KARMA" config check $tiny --set workload.$key
done
for key in time_column=time rate_column=rps time_unit_s=2 gap_s=9; do
    exits 2 "the model and workload.$key" "$KARMA" simulate $tiny -c nothing --set workload.$key --out "$out"
    says err "--set workload.${key%=*}: the load is the model, .*--set workload.file=FILE" "says what is missing"
    exits 0 "a recording and workload.$key" "$KARMA" config check $tiny \
        --set workload.file="$WORK/load.csv" --set workload.$key
done
exits 0 "a nominal load is for both" "$KARMA" config check $tiny --set workload.mean_rps=7 \
    --set workload.file="$WORK/load.csv"

# --- the place of play --------------------------------------------------------------------------
for command in "simulate $tiny --out $out" "eval $tiny --out $out" "trace collect $tiny --out $out"; do
    # shellcheck disable=SC2086
    exits 2 "$command, a twin's key on the simulator" "$KARMA" $command --set twin.file=x
    says err "plays on the simulator, which has no twin; leave it out, or play in the twin with --set eval.plant=twin" \
        "says what to add"
    # shellcheck disable=SC2086
    exits 2 "$command, in a twin that is not named" "$KARMA" $command --set eval.plant=twin
    says err "twin.file names none; add --set twin.file=FILE" "says how to name one"
    # shellcheck disable=SC2086
    exits 2 "$command, in a twin that is not there" "$KARMA" $command --set eval.plant=twin --set twin.file="$WORK/absent"
    says err "there is no file '$WORK/absent'" "says so"
done
done_testing
